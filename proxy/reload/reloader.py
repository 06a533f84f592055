"""Read the configuration again, and make new requests use it.

A thread reads, checks and compiles a new version completely before it is published. Then it replaces the old one in one
step. An invalid file changes only the `State`. One attempt runs at a time, and each attempt reads the current files.
"""

import asyncio
import functools
import gc
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.config.load import files_of, load_whole, version_of
from proxy.config.problems import ConfigError
from proxy.config.providers import apis_in_use
from proxy.gateway import Gateway
from proxy.reload import restart
from proxy.reload.state import MAX_PROBLEMS, Cause, Refusal, Result, State
from proxy.reload.watch import Watcher
from proxy.tasks import spawn
from proxy.telemetry.logs import where_it_failed
from proxy.version import Version, make_version

log = logging.getLogger("sluice")


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a configuration: its file, and the command line's values for its section `server`."""

    path: str | os.PathLike[str]
    server: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def files(self) -> tuple[Path, ...]:
        """The file and the files that it names, as far as it can be read."""
        return files_of(self.path, self.environ)


def _nothing(apis: Iterable[str]) -> None:
    """Prepare no wire format."""


class Reloader:
    """Reloads `gateway` from `origin`.

    `warm` runs in a thread. It prepares the wire formats, so that the first request does not wait for them.
    """

    def __init__(self, gateway: Gateway, origin: Origin, warm: Callable[[Iterable[str]], None] = _nothing) -> None:
        self.state = State()
        self.origin = origin
        self._gateway = gateway
        self._started = restart.fixed(gateway.config)
        self._warm = warm
        self._turn = asyncio.Lock()
        self._read_last = ""

    async def reload(self, cause: Cause) -> Result:
        """Use the current files if they are valid and not in use already."""
        why = "the files changed" if cause == "watch" else cause
        async with self._turn:
            try:
                version = await asyncio.to_thread(self._read)
                for basis in version.bases() if version is not None else ():
                    await self._gateway.ready(basis)
            except ConfigError as error:
                return self._refuse(why, [str(problem) for problem in error.problems])
            except Exception as failure:
                log.error("%s: the configuration could not be made ready: %s", why, where_it_failed(failure))
                name = os.fspath(self.origin.path)
                return self._refuse(why, [f"{name}: could not be made ready: the cause is in the gateway's log"])
            if version is None:
                return self._keep(cause, why)
            self._use(version, cause, why)
            return "loaded"

    async def watch(self) -> None:
        """Reload whenever the files change, until cancelled."""
        await Watcher(self.origin.files, functools.partial(self.reload, "watch"), self._troubled).run()

    def hang_up(self) -> None:
        """Reload after SIGHUP."""
        spawn(self.reload("SIGHUP"))

    def _read(self) -> Version | None:
        """Read the files. Return their version, ready to serve, or None if it is already in use."""
        current, origin = self._gateway.version, self.origin
        self._read_last = version_of(origin.path, origin.environ)
        if self._read_last == current.id:
            return None
        loaded = load_whole(origin.path, environ=origin.environ, policies=current.policies, server=origin.server)
        restart.check(self._started, loaded.config, os.fspath(origin.path))
        version = make_version(loaded.config, current.policies, loaded.version)
        self._warm(apis_in_use(loaded.config) - apis_in_use(current.config))
        return version

    def _use(self, version: Version, cause: Cause, why: str) -> None:
        before = self._gateway.version.id
        had_keys = self._gateway.config.auth is not None
        self._gateway.use(version)
        gc.collect()  # automata are cycles, and `sluice serve` collects too rarely to free them
        state = self.state
        state.loads += 1
        state.loaded_at, state.loaded_by = time.time(), cause
        state.refused = None
        state.opened = version.config.auth is None and (had_keys or state.opened)
        state.pending = restart.pending(self._started, version.config)
        log.info("%s: new requests begin with the configuration %s (before: %s)", why, version.id, before)
        for name in state.pending:
            log.warning("%s was changed: it takes effect after a restart", name)
        if state.opened and had_keys:
            log.warning("auth was taken out: anyone on this machine may now use and administer the gateway")

    def _keep(self, cause: Cause, why: str) -> Result:
        if self.state.refused is not None:
            log.info("%s: the file is the configuration in use again, %s", why, self._gateway.version.id)
        elif cause != "watch":
            log.info("%s: in use already: %s", why, self._gateway.version.id)
        self.state.refused = None
        return "unchanged"

    def _troubled(self, trouble: str | None) -> None:
        if trouble == self.state.trouble:
            return
        self.state.trouble = trouble
        if trouble is None:
            log.info("the configuration's files are watched again")
        else:
            log.warning("the configuration's files cannot be watched (%s): they are checked once a second", trouble)

    def _refuse(self, why: str, problems: list[str]) -> Result:
        state = self.state
        refusal = Refusal(time.time(), tuple(problems[:MAX_PROBLEMS]), self._read_last)
        if state.refused is None or state.refused.version != refusal.version:
            state.refusals += 1
        state.refused = refusal
        log.error("%s: the configuration is refused, %s stays in use:", why, self._gateway.version.id)
        for problem in state.refused.problems:
            log.error("  %s", problem)
        return "refused"
