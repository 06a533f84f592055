"""Settings that a running gateway cannot change. They take effect after a restart, and the gateway says so."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, TypeAlias

from proxy.config.fields import is_loopback
from proxy.config.models import Config
from proxy.config.problems import ConfigError, Problem
from proxy.telemetry.service import FIXED

Fixed: TypeAlias = Mapping[str, Any]

SETTINGS = ("server.host", "server.port", "simulator", *(f"telemetry.{key}" for key in FIXED))
"""Settings that need a restart. All others follow the version with which a request begins."""


def fixed(config: Config) -> Fixed:
    """Return the values that a process started with `config` keeps.

    Nothing else of it is kept, or the compiled rules of the first version would never be freed.
    """
    return {name: attrgetter(name)(config) for name in SETTINGS}


def pending(started: Fixed, config: Config) -> tuple[str, ...]:
    """List the settings in which `config` differs from the start of the process."""
    return tuple(name for name, value in fixed(config).items() if value != started[name])


def check(started: Fixed, config: Config, file: str) -> None:
    """Raise `ConfigError` for a valid configuration that is not safe at the address at which this process listens.

    Without keys, the address must be loopback, and a new `server.host` does not change it.
    """
    host = started["server.host"]
    if config.auth is None and not is_loopback(host):
        message = f"cannot be taken out while the gateway listens on {host}: restart it"
        raise ConfigError([Problem(file, 1, 1, "auth", message)])
