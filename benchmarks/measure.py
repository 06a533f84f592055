"""The measures of one server: CPU, latency, memory, and maximum load.

Times are in milliseconds, CPU in microseconds per chunk, memory in MB (process) and KB (stream). CPU is the user and
system time from /proc of the process and its descendants. Its resolution is 10 ms, so runs take seconds.
"""

import asyncio
import os
import statistics
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import Contender, ask
from benchmarks.load import Ask, Outcome, answers_a_second, load, open_streams, run
from benchmarks.servers import Process

SINGLES: Final = 100
CONNECTIONS: Final = 16
OPEN: Final = 200
STALL: Final = 0.250
RATE: Final = 20
_HELD: Final = 4
_SPREAD: Final = 0.5
_GRACE: Final = 2
_TRIES: Final = 2
_MAX: Final = 2_000

Figures = dict[str, float]
"""Name of a measure and its value.

The measures: `cpu` per chunk. `one_p50`, `one_p99` to the first token of one stream, `many_…` of all at once. `gap`,
the 99th percentile between chunks. `late`, the share of the run by which it ended late. `short` answers per second.
`rss` at start. `stream`, the memory of an open one. `ready`, from start to ready.
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Concurrent streams, chunks per second of each, and the duration."""

    streams: int = 100
    rate: int = 50
    seconds: int = 10

    def model(self, prefix: str) -> str:
        """Return the simulator's model that streams so."""
        return _model(prefix, self.rate, self.rate * self.seconds)


def measured(contender: Contender, server: Process, shape: Load, *, own: bool = True) -> Figures:
    """Take all measures of one round. With `own` False there is no server in between, so no process is measured.

    Raises RuntimeError if a stream or an answer fails.
    """
    figures: Figures = {"rss": server.memory() / 1e6, "ready": server.ready_after * 1000}
    warm = ask(server.url, _model(contender.prefix, 500, 20))
    _checked(contender, run(load(warm, 5)), 5)
    single = ask(server.url, _model(contender.prefix, 200, 3))
    ones = [run(load(single, 1)) for _ in range(SINGLES)]
    figures |= _spread("one", [time for one in ones for time in one.first_chunk])
    before = server.cpu()
    outcome = run(load(ask(server.url, shape.model(contender.prefix)), shape.streams, spread=_SPREAD))
    figures["cpu"] = (server.cpu() - before) / (shape.streams * shape.rate * shape.seconds) * 1e6
    _checked(contender, outcome, shape.streams)
    figures["late"] = max(0.0, outcome.seconds - _SPREAD - shape.seconds) / shape.seconds
    figures |= _spread("many", outcome.first_chunk)
    figures["gap"] = _p99(outcome.gaps) * 1000
    short = ask(server.url, f"{contender.prefix}sim-long.tokens-16.chunk-0", stream=False)
    figures["short"] = run(answers_a_second(short, CONNECTIONS, min(3, shape.seconds)))
    figures["stream"] = run(_stream_memory(contender, server)) / 1e3
    if not own:
        for name in ("rss", "ready", "cpu", "stream"):
            del figures[name]
    return figures


async def _stream_memory(contender: Contender, server: Process) -> float:
    """Measure the resident bytes of an open stream."""
    before = server.memory()
    async with open_streams(ask(server.url, _model(contender.prefix, 5, 400)), OPEN):
        return (server.memory() - before) / OPEN


def sustained(contender: Contender, server: Process, upstream: Process) -> int:
    """Find the maximum number of streams of `RATE` chunks per second that the server sustains on one core.

    Load generator and upstream avoid that core if there is another. The server sustains the streams if none fails and
    no gap is more than `STALL` longer than the longest of one stream alone. (A policy holds a word until its end is
    seen, which is not a stall.) The search doubles, then halves the step four times. Each trial starts its streams over
    some seconds, then holds all of them. It may fail once, because other things run on the machine.
    """
    cores = os.sched_getaffinity(0)
    first, others = {min(cores)}, cores - {min(cores)} or cores
    if upstream.pid != server.pid:
        upstream.pin(others)
    server.pin(first)
    os.sched_setaffinity(0, others)
    try:
        alone = run(load(_held(contender, server, 1), 3)).longest_gap
        return most(lambda streams: _bears(_held(contender, server, streams), streams, STALL + max(alone)))
    finally:
        os.sched_setaffinity(0, cores)
        server.pin(cores)
        upstream.pin(cores)


def most(bears: Callable[[int], bool]) -> int:
    """Find the largest number up to `_MAX` for which `bears` is true, by doubling and four halvings. 0 for none."""
    fine, failing = 0, 25
    while failing <= _MAX and bears(failing):
        fine, failing = failing, failing * 2
    for _ in range(4):
        middle = (fine + failing) // 2
        if middle in (fine, failing) or middle > _MAX:
            break
        if bears(middle):
            fine = middle
        else:
            failing = middle
    return fine


def _held(contender: Contender, server: Process, streams: int) -> Ask:
    return ask(server.url, _model(contender.prefix, RATE, round(RATE * (_begun_over(streams) + _HELD))))


def _begun_over(streams: int) -> float:
    return min(5.0, 1 + streams / 200)


def _bears(held: Ask, streams: int, longest: float) -> bool:
    spread = _begun_over(streams)
    for _ in range(_TRIES):
        try:
            outcome = run(_within(2 * spread + _HELD + _GRACE, load(held, streams, spread=spread)))
        except TimeoutError:
            continue
        if not outcome.failed and max(outcome.longest_gap) <= longest:
            return True
    return False


async def _within(seconds: float, loading: Coroutine[Any, Any, Outcome]) -> Outcome:
    async with asyncio.timeout(seconds):
        return await loading


def _model(prefix: str, rate: int, tokens: int) -> str:
    return f"{prefix}sim-long.pace-{1000 // rate}.chunk-4.tokens-{tokens}"


def _checked(contender: Contender, outcome: Outcome, streams: int) -> None:
    if outcome.failed:
        raise RuntimeError(f"{contender.name}: {outcome.failed} of {streams} streams failed")


def _spread(name: str, seconds: list[float]) -> Figures:
    return {f"{name}_p50": statistics.median(seconds) * 1000, f"{name}_p99": _p99(seconds) * 1000}


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]
