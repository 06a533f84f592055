"""A real gateway for tests: our uvicorn server on a real socket, with the simulator behind it, in the test's loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.sdk.trace.export import SpanExporter

from policies import POLICIES
from policies.base import PolicyType
from proxy.accounting.record import Record
from proxy.app import create_app, create_gateway
from proxy.config.load import parse
from proxy.gateway import Gateway
from proxy.server import Limits, Server, make_server
from proxy.simulator import Simulator
from proxy.tasks import spawn
from proxy.telemetry.service import Telemetry

PROVIDERS = ("openai", "anthropic", "gemini")

CONFIG = """
server: {{port: 0, drain_seconds: 0}}
retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}
providers:
  openai: {{api_key: provider-key-openai, base_url: "{url}/v1"}}
  anthropic: {{api_key: provider-key-anthropic, base_url: "{url}"}}
  gemini: {{api_key: provider-key-gemini, base_url: "{url}"}}
models:
  "openai-*": {{target: "openai/*"}}
  "anthropic-*": {{target: "anthropic/*"}}
  "gemini-*": {{target: "gemini/*"}}
"""
"""Three providers, all of them the simulator at `{url}`: `gemini-sim-chat` is its `sim-chat` in Gemini's format.

There are no retries. Tests of retries configure them.
"""


@dataclass(slots=True)
class Running:
    """A running gateway. `records` grows by one for each finished request, and `recorded` waits for it."""

    url: str
    port: int
    gateway: Gateway
    server: Server
    sim: Simulator
    records: list[Record] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def recorded(self, count: int = 1) -> Record:
        """The newest record, once there are `count`."""
        async with asyncio.timeout(5), self._arrived:
            await self._arrived.wait_for(lambda: len(self.records) >= count)
        return self.records[-1]

    def record(self, record: Record) -> None:
        """A recorder for the gateway."""
        self.records.append(record)
        spawn(self._tell())

    async def _tell(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()


@contextlib.asynccontextmanager
async def running(
    config: str = CONFIG,
    extra: str = "",
    policies: Mapping[str, PolicyType] = POLICIES,
    limits: Limits | None = None,
    exporters: Sequence[SpanExporter] = (),
) -> AsyncIterator[Running]:
    """Serve `config` (with the simulator's address for `{url}`) and the YAML `extra` until the block ends.

    `limits` are those of connections. `exporters` receive spans.
    """
    async with Simulator() as sim:
        parsed = parse(config.format(url=sim.url) + extra.format(url=sim.url), policies=policies)
        gateway = create_gateway(parsed, policies=policies)
        if exporters:
            gateway.telemetry = Telemetry(parsed, gateway.streams.__len__, environ={}, exporters=exporters)
        server = make_server(create_app(gateway), gateway, limits)
        serving = spawn(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        run = Running(f"http://127.0.0.1:{port}", port, gateway, server, sim)
        gateway.recorders = (run.record,)
        try:
            yield run
        finally:
            server.should_exit = True
            await serving


@contextlib.asynccontextmanager
async def fresh(run: Running) -> AsyncIterator[Running]:
    """Return a shared gateway without traces of earlier tests. Afterwards no request may be running."""
    run.sim.forget()
    run.sim.answers.clear()
    run.records.clear()
    yield run
    async with asyncio.timeout(5):
        while run.gateway.streams:
            await asyncio.sleep(0.005)
