"""Start and end of the server: it listens, and drains on a signal."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Generator
from typing import Any

import uvicorn

from proxy.gateway import Gateway
from proxy.server.limits import Limits
from proxy.server.protocol import Protocol

log = logging.getLogger("sluice")

TICKS = 10
"""Tenths of a second between two checks of the connections."""


class Server(uvicorn.Server):
    """A uvicorn server that drains.

    On SIGTERM, `/readyz` turns 503, so that no new requests are routed here. After `NOTICE` seconds the listener
    closes. Streams get `drain_seconds` to end, then an error event. A second signal sends the error event at once.
    `begun` is called with the address when the server listens.
    """

    NOTICE = 2.0
    LAST_WORD = 0.5
    """Seconds for slow clients to receive the error event."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway, begun: Callable[[str], None]) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._streams = gateway.streams
        self._begun = begun
        self._signalled = asyncio.Event()
        self._notice = self.NOTICE

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            host = self.config.host
            port = self.servers[0].sockets[0].getsockname()[1]
            self._begun(f"http://{f'[{host}]' if ':' in host else host}:{port}")

    def _on_signal(self, number: int) -> None:
        if self._signalled.is_set():
            self.should_exit = self.force_exit = True
            return
        log.info("%s: draining", signal.Signals(number).name)
        self._streams.draining = True
        self._notice = self.NOTICE if number == signal.SIGTERM else 0.0
        self._signalled.set()

    async def on_tick(self, counter: int) -> bool:
        await super().on_tick(counter)
        if counter % TICKS == 0:
            self._gateway.connections.look()
        if not self._signalled.is_set():
            return self.should_exit
        if self._notice > 0 and not self.force_exit:
            self._notice -= 0.1
            return False
        return True

    async def shutdown(self, sockets: Any = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._streams_end(self._gateway.config.server.drain_seconds, unless_forced=True)
        self._streams.drain()
        await self._streams_end(self.LAST_WORD)
        self.config.timeout_graceful_shutdown = 1
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would skip the application's shutdown, and exit with a stack trace
            await self.lifespan.shutdown()

    async def _streams_end(self, seconds: float, *, unless_forced: bool = False) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self._streams and loop.time() < until and not (unless_forced and self.force_exit):
            await asyncio.sleep(0.02)


def make_server(
    app: Any, gateway: Gateway, limits: Limits | None = None, begun: Callable[[str], None] = lambda url: None
) -> Server:
    """Make a server for `app`, which serves `gateway`. Run it with `await server.serve()`.

    `limits` None means those of the configuration in use. `begun` is called with the address when the server listens.
    """
    config = gateway.config

    def protocol(**uvicorn_arguments: Any) -> Protocol:
        times = gateway.config.timeouts
        chosen = limits or Limits(body=times.body, write=times.write)
        return Protocol(limits=chosen, connections=gateway.connections, **uvicorn_arguments)

    settings = uvicorn.Config(
        app,
        host=config.server.host,
        port=config.server.port,
        loop="uvloop",
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,  # unused here, and one more layer for each chunk
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        backlog=2048,
    )
    return Server(settings, gateway, begun)
