"""What a running gateway cannot change: these settings take effect after a restart, and are said to."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, TypeAlias

from proxy.config.fields import is_loopback
from proxy.config.models import Config
from proxy.config.problems import ConfigError, Problem
from proxy.telemetry.service import FIXED

Fixed: TypeAlias = Mapping[str, Any]

SETTINGS = ("server.host", "server.port", "simulator", *(f"telemetry.{key}" for key in FIXED))
"""All others follow the version that a request begins with."""


def fixed(config: Config) -> Fixed:
    """The settings with which a process that is started with `config` stays. Nothing else of it is kept: the compiled
    rules of a first version would never be freed."""
    return {name: attrgetter(name)(config) for name in SETTINGS}


def pending(started: Fixed, config: Config) -> tuple[str, ...]:
    """The settings in which `config` differs from what the process was started with."""
    return tuple(name for name, value in fixed(config).items() if value != started[name])


def check(started: Fixed, config: Config, file: str) -> None:
    """Raises `ConfigError` for a configuration that is right but not for the address at which this process listens:
    without keys that must be loopback, and a new `server.host` does not move it."""
    host = started["server.host"]
    if config.auth is None and not is_loopback(host):
        message = f"cannot be taken out while the gateway listens on {host}: restart it"
        raise ConfigError([Problem(file, 1, 1, "auth", message)])
