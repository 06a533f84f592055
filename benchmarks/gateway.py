"""`scripts/bench gateway`: what Sluice costs beside nginx passing the same streams through, in the same run.

Method. The upstream is the simulator in a process of its own, paced; the load generator is this process. CPU is the
user and system time that /proc tells of the measured process, over a run of paced streams, divided by the chunks that
came out of it. The added time to the first chunk is the median (or p99) through the server less the one measured
directly. Machines are noisy, so compare within one run, by ratio.
"""

import asyncio
import os
import statistics
import sys
from dataclasses import dataclass

from benchmarks.load import Ask, Outcome, load
from benchmarks.servers import Process, bare, gateway, nginx, simulator

POLICIES = """
default_policies: [redact/all]
policies:
  redact/all: {rules: [{name: pii, entity: pii}, {name: secrets, entity: secrets}]}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One server's figures. Times in milliseconds, memory in MB, CPU in µs a chunk."""

    name: str
    cpu: float | None
    first_one: float
    first_many: float
    gap: float
    memory: float | None
    ready: float | None
    failed: int


def openai_ask(url: str, model: str, path: str = "/v1/chat/completions") -> Ask:
    """A streamed chat completion."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    return Ask(url, path, {"authorization": "Bearer bench"}, body)


def run(streams: int, seconds: int, rate: int) -> int:
    """Measure and print a table; the exit code."""
    pace = round(1000 / rate)
    tokens = seconds * rate
    model = f"sim-long.pace-{pace}.chunk-4.tokens-{tokens}"
    rows: list[Row] = []
    with simulator() as upstream:
        rows.append(_measure("direct", upstream, openai_ask(upstream.url, model), streams, own=False))
        with nginx(upstream.url) as server:
            if server is None:
                print("nginx is not installed: apt-get install nginx-light", file=sys.stderr)
            else:
                rows.append(_measure("nginx, unbuffered", server, openai_ask(server.url, model), streams))
        with bare(upstream.url) as server:
            ask = openai_ask(server.url, model)
            rows.append(_measure("bare uvicorn and aiohttp", server, ask, streams))
        for provider in ("openai", "anthropic", "gemini"):
            with gateway(upstream.url) as server:
                ask = openai_ask(server.url, f"{provider}-{model}")
                rows.append(_measure(f"Sluice, {provider}", server, ask, streams))
        with gateway(upstream.url, POLICIES) as server:
            ask = openai_ask(server.url, f"openai-{model}")
            rows.append(_measure("Sluice, openai, all entities redacted", server, ask, streams))
        print(f"simulator: {upstream.cpu():.1f} CPU s in all", file=sys.stderr)
    print(_table(rows, streams, rate))
    return 1 if any(row.failed for row in rows) else 0


def _measure(name: str, server: Process, ask: Ask, streams: int, *, own: bool = True) -> Row:
    print(f"{name} …", file=sys.stderr)
    idle = server.memory()
    asyncio.run(load(ask, 5))  # warm
    single = [asyncio.run(load(_short(ask), 1)) for _ in range(20)]
    before = server.cpu()
    outcome = asyncio.run(load(ask, streams, marker=b'"content":'))
    cpu = (server.cpu() - before) / (streams * _tokens(ask)) * 1e6
    return Row(
        name=name,
        cpu=cpu if own else None,
        first_one=_ms(statistics.median(t for one in single for t in one.first_chunk)),
        first_many=_p99(outcome),
        gap=_ms(statistics.quantiles(outcome.longest_gap, n=100)[98]),
        memory=idle / 1e6 if own else None,
        ready=server.ready_after if own else None,
        failed=outcome.failed,
    )


def _tokens(ask: Ask) -> int:
    """Chunks that the upstream sends for `ask`."""
    return int(str(ask.body["model"]).rpartition("-")[2])


def _short(ask: Ask) -> Ask:
    model = str(ask.body["model"]).replace(".tokens-", ".tokens-8.seed-")
    return Ask(ask.url, ask.path, ask.headers, {**ask.body, "model": model})


def _p99(outcome: Outcome) -> float:
    return _ms(statistics.quantiles(outcome.first_chunk, n=100)[98])


def _ms(seconds: float) -> float:
    return seconds * 1000


def _table(rows: list[Row], streams: int, rate: int) -> str:
    direct = rows[0]
    base = next((row.cpu for row in rows if row.name.startswith("nginx")), None)
    lines = [
        f"{streams} streams of {rate} chunks/s, {os.cpu_count()} cores",
        "",
        "| | CPU µs a chunk | times nginx | first chunk, added: one stream (p50) | all streams (p99) "
        "| longest gap p99 | RSS at start | ready after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cpu = "" if row.cpu is None else f"{row.cpu:.1f}"
        ratio = "" if row.cpu is None or base is None else f"{row.cpu / base:.2f}"
        memory = "" if row.memory is None else f"{row.memory:.0f} MB"
        ready = "" if row.ready is None else f"{row.ready:.1f} s"
        lines.append(
            f"| {row.name} | {cpu} | {ratio} | {row.first_one - direct.first_one:+.2f} ms "
            f"| {row.first_many - direct.first_many:+.1f} ms | {row.gap:.0f} ms | {memory} | {ready} |"
        )
    return "\n".join(lines)
