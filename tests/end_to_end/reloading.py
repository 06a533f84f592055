"""A gateway with a configuration file that tests change."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from proxy.app import create_app, create_gateway
from proxy.config.load import load_whole, version_of
from proxy.gateway import Gateway
from proxy.reload.reloader import Origin, Reloader
from proxy.reload.state import State
from proxy.server import make_server
from proxy.simulator import Simulator
from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, chunks_of, text_of
from tests.end_to_end.running import CONFIG, Running
from tests.end_to_end.wire import until

RULES = """
default_policies: [redact/words]
policies: {{redact/words: {{rules: [{{name: word, words: [word], replace: "[{label}]"}}]}}}}
"""
BROKEN = "models: {fast: {target: nowhere/gpt}}\n"
"""Appended to a configuration it makes one that is wrong."""


def labelled(url: str, label: str, extra: str = "") -> str:
    """Make a configuration that replaces every `word` by `[label]`."""
    return (CONFIG + RULES).format(url=url, label=label) + extra


@dataclass(slots=True)
class Reloading(Running):
    """A gateway with the configuration `file`, which `reloader` keeps up to date."""

    file: Path = Path()
    reloader: Reloader | None = None

    @property
    def state(self) -> State:
        assert self.reloader is not None
        return self.reloader.state

    def save(self, text: str, path: Path | None = None) -> str:
        """Save as editors do: write another file and rename it. Return the new version of the configuration."""
        path = path or self.file
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, path)
        return version_of(self.file)

    async def uses(self, version: str) -> None:
        """Wait until new requests use a version, however long that takes."""
        await until(lambda: self.gateway.version.id == version)

    async def refuses(self, count: int = 1) -> str:
        """Wait for the `count`th rejection. Return its problems."""
        await until(lambda: self.state.refusals >= count)
        assert self.state.refused is not None
        return "\n".join(self.state.refused.problems)


def _gateway(file: Path) -> Gateway:
    loaded = load_whole(file)
    return create_gateway(loaded.config, version=loaded.version)


@contextlib.asynccontextmanager
async def reloading(file: Path, text: str = CONFIG + RULES, *, watch: bool = True) -> AsyncIterator[Reloading]:
    """Serve `file` with `text` (with the simulator's address for `{url}` and `first` for `{label}`).

    Follow its changes unless `watch` is false.
    """
    async with Simulator() as sim:
        file.write_text(text.format(url=sim.url, label="first"))
        gateway = _gateway(file)
        reloader = Reloader(gateway, Origin(file))
        server = make_server(create_app(gateway, reloader), gateway)
        serving = spawn(server.serve())
        watching = spawn(reloader.watch() if watch else asyncio.sleep(0))
        while not server.started:
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        run = Reloading(f"http://127.0.0.1:{port}", port, gateway, server, sim, file=file, reloader=reloader)
        gateway.recorders = (run.record,)
        try:
            yield run
        finally:
            watching.cancel()
            server.should_exit = True
            await serving


async def said(http: httpx.AsyncClient, model: str = "openai-m", text: str = "Hi") -> tuple[str, str]:
    """Get a streamed answer, and the version in its response."""
    response = await http.post(CHAT, json=ask(model, text, stream=True))
    assert response.status_code == 200, response.text
    return text_of(chunks_of(response.text)), response.headers["x-sluice-config"]
