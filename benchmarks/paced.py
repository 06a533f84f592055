"""The paced upstream of the benchmarks: three providers' streams at a steady pace, for minimal CPU in Python.

Run it as `python -m benchmarks.paced PORT`. It answers by the model's name with the simulator's bytes, but plays them
from one clock for all streams. Every millisecond it writes what is due, one write for each stream, without timers or
bookkeeping of the streams. It does not support the simulator's faults, cuts and records.
"""

import asyncio
import json
import sys
from collections import defaultdict
from functools import lru_cache
from typing import Final, cast

import uvloop

from proxy.simulator.formats import FORMATS, provider_of
from proxy.simulator.formats.base import STAMP, Terms
from proxy.simulator.http import Request, RequestReader
from proxy.simulator.models import MODELS
from proxy.simulator.names import apply, parse
from proxy.simulator.pieces import tokens_of
from proxy.simulator.script import plain, script_of

TICK: Final = 0.001
_ID: Final = b"0123456789abcdef01234567"
Steps = tuple[tuple[int, bytes], ...]
"""Ticks after the request, and the bytes due then."""


@lru_cache(maxsize=256)
def _steps(provider: str, path: str, query: tuple[tuple[str, str], ...], body: bytes) -> Steps:
    """Return the bytes and times that the simulator would send for this request. Cached, because a benchmark repeats
    itself.
    """
    ask = FORMATS[provider].read(json.loads(body), path, dict(query))
    model, options = parse(ask.model)
    answer = apply(MODELS[model](ask), options)
    terms = Terms(ask.model, ask.choices, tokens_of(answer, ask, ask.choices), ask.include_usage, 0)
    script = script_of(provider, answer, terms, ask.stream)
    joined: defaultdict[int, bytes] = defaultdict(bytes)
    for step in script.steps:
        joined[round(step.at / TICK)] += step.data.replace(STAMP, _ID)
    return tuple(sorted(joined.items()))


class Clock:
    """Writes what is due, each millisecond."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._now = 0
        self._due: defaultdict[int, list[Connection]] = defaultdict(list)
        self._loop.call_later(TICK, self._tick)

    def play(self, connection: "Connection") -> None:
        """Write the connection's next step now or when it is due."""
        at = connection.next_at()
        if at > self._now:
            self._due[at].append(connection)
            return
        connection.write()

    def now(self) -> int:
        """Return the current tick."""
        return round((self._loop.time() - self._start) / TICK)

    def _tick(self) -> None:
        reached = self.now()
        while self._now < reached:
            self._now += 1
            for connection in self._due.pop(self._now, ()):
                connection.write()
        self._loop.call_later(TICK, self._tick)


class Connection(asyncio.Protocol):
    """A client's connection: one answer after another."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reader = RequestReader()
        self._steps: Steps = ()
        self._next = 0
        self._began = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for request in self._reader.feed(data):
            self._steps, self._next, self._began = self._respond(request), 0, self._clock.now()
            self._clock.play(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._steps = ()

    def next_at(self) -> int:
        """Return the tick at which the next step is due."""
        return self._began + self._steps[self._next][0]

    def write(self) -> None:
        """Write the step that is due, and schedule the next."""
        if self._next >= len(self._steps):  # the client left
            return
        self._transport.write(self._steps[self._next][1])
        self._next += 1
        if self._next < len(self._steps):
            self._clock.play(self)

    def _respond(self, request: Request) -> Steps:
        provider = provider_of(request.method, request.path)
        if provider is None:
            return ((0, plain(200, b"{}").steps[0].data),)
        return _steps(provider, request.path, tuple(request.query.items()), request.body)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    clock = Clock()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(clock), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
