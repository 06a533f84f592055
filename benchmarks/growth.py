"""`scripts/bench growth`: growth of Sluice's cost with the size of chunks, the number of streams, rules and prompts.

The method is that of `scripts/bench gateway`. Each curve varies one quantity and keeps the rest. CPU excludes a
request's cost without its chunks, which is measured with the same number of streams of one chunk. A curve is linear
where the cost per unit stays the same. The table names the unit, and the chart shows the curves.
"""

import json
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.charts import lines
from benchmarks.contenders import DEFAULT_POLICIES, ask
from benchmarks.load import load, run
from benchmarks.redact import custom, made_up_words
from benchmarks.servers import Process, gateway, paced

SIZES: Final = (1, 4, 16, 64, 250, 1_000, 4_000)
STREAMS: Final = (1, 10, 100, 500, 1_000, 2_000)
RULES: Final = (0, 10, 100, 1_000, 10_000)
PROMPTS: Final = (1_000, 10_000, 100_000, 500_000, 1_000_000, 2_000_000)
CHUNKS_A_SECOND: Final = 2_000
"""Chunks per second of all streams together, whatever their number."""
_SECONDS: Final = 5
_FEWEST: Final = 20
"""Minimum number of chunks of a stream. With fewer, the cost of opening it, which is subtracted, would hide theirs."""
_PROMPT_TRIES: Final = 15
_MODEL: Final = "openai-sim-long"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one measure: the varied quantity and its value. `unit` is the unit of the value."""

    name: str
    unit: str
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Section:
    """Curves over the same axis."""

    title: str
    across: str
    measure: Callable[[Process, float], list[Curve]]


def chunk_sizes(upstream: Process, scale: float) -> list[Curve]:
    """Measure CPU per chunk by its size: 50 streams of 20 chunks/s, with no policy and with the default ones."""
    curves = []
    for name, extra in (("no policy", ""), ("default policies", DEFAULT_POLICIES)):
        points = []
        with gateway(upstream.url, extra) as server:
            for size in SIZES:
                count = round(20 * _SECONDS * scale)
                model = f"{_MODEL}.pace-50.chunk-{size}.tokens-{max(1, size * count // 4)}"
                points.append((float(size), _cpu(server, model, 50, count)))
        curves.append(Curve(name, "CPU µs a chunk", points))
    return curves


def streams(upstream: Process, scale: float) -> list[Curve]:
    """Measure CPU per chunk, and the 99th percentile of gaps beyond the pace, by the number of streams.

    The streams share 2,000 chunks/s and have no policy. A policy that holds words would lengthen the gaps by the pace.
    """
    cpu, gaps = [], []
    with gateway(upstream.url) as server:
        for count in STREAMS:
            rate = min(1_000, max(1, CHUNKS_A_SECOND // count))
            tokens = max(_FEWEST, round(rate * _SECONDS * scale))
            model = f"{_MODEL}.pace-{1000 // rate}.chunk-4.tokens-{tokens}"
            cpu.append((float(count), _cpu(server, model, count, tokens)))
            outcome = run(load(ask(server.url, model), count, spread=1 + count / 200))
            gap = statistics.quantiles(outcome.gaps, n=100, method="inclusive")[98] * 1000 - 1000 / rate
            gaps.append((float(count), max(0.1, gap)))
    return [Curve("CPU µs a chunk", "CPU µs a chunk", cpu), Curve("gap p99 beyond the pace", "ms", gaps)]


def rules(upstream: Process, scale: float) -> list[Curve]:
    """Measure CPU per chunk, start-up and memory by the number of rules: patterns, and words of one list."""
    curves = []
    for name, make in (("patterns", _patterns), ("words", _words)):
        cpu, ready = [], []
        for count in RULES:
            with gateway(upstream.url, make(count) if count else "", files=_word_file(count)) as server:
                tokens = round(20 * _SECONDS * scale)
                ready.append((float(count), server.ready_after * 1000))
                cpu.append((float(count), _cpu(server, f"{_MODEL}.pace-50.chunk-4.tokens-{tokens}", 50, tokens)))
        curves += [Curve(f"{name}: CPU µs a chunk", "CPU µs a chunk", cpu), Curve(f"{name}: ready, ms", "ms", ready)]
    return curves


def prompts(upstream: Process, scale: float) -> list[Curve]:
    """Measure the time to the first token by the size of the prompt, with and without the gateway."""
    curves = []
    with gateway(upstream.url, DEFAULT_POLICIES) as server:
        for name, url, model in (("direct", upstream.url, "sim-long"), ("Sluice", server.url, _MODEL)):
            points = []
            for size in PROMPTS:
                prompt = ("Tell me about rivers. " * (size // 22 + 1))[:size]
                one = ask(url, f"{model}.pace-5.chunk-4.tokens-3", prompt=prompt)
                times = [run(load(one, 1)).first_chunk[0] for _ in range(max(3, round(_PROMPT_TRIES * scale)))]
                points.append((float(size), statistics.median(times) * 1000))
            curves.append(Curve(name, "ms to the first token", points))
    return curves


SECTIONS: Final = {
    "chunks": Section("A chunk's size", "characters a chunk", chunk_sizes),
    "streams": Section("Streams at once, 2,000 chunks/s together", "streams", streams),
    "rules": Section("Rules", "rules", rules),
    "prompts": Section("The prompt's size", "characters of the prompt", prompts),
}


def grow(sections: Sequence[str], out: pathlib.Path, scale: float) -> int:
    """Measure the sections (all if none is named), print tables, and write a chart for each into the folder `out`.

    With `scale` 1, a point takes five seconds. The exit code is 0.
    """
    out.mkdir(parents=True, exist_ok=True)
    with paced() as upstream:
        for name in sections or SECTIONS:
            section = SECTIONS[name]
            print(f"{section.title} …", file=sys.stderr, flush=True)
            curves = section.measure(upstream, scale)
            print(_table(section, curves), flush=True)
            drawn = {f"{curve.name}": curve.points for curve in curves}
            (out / f"growth-{name}.svg").write_text(lines(section.title, section.across, drawn))
    return 0


def _cpu(server: Process, model: str, count: int, chunks: int) -> float:
    """Measure the server's CPU µs for each of `chunks` chunks of `count` streams, without the cost of
    opening a stream.
    """
    spread = max(0.5, count / 200)
    alone = model.rpartition(".tokens-")[0].replace(".pace-", ".pace-1.seed-") + ".tokens-1"
    run(load(ask(server.url, alone), count, spread=spread))  # warm
    _wait_until_quiet(server)
    begun = server.cpu()
    run(load(ask(server.url, alone), count, spread=spread))
    opened = server.cpu()
    outcome = run(load(ask(server.url, model), count, spread=spread))
    spent = server.cpu() - opened - (opened - begun)
    if outcome.failed:
        raise RuntimeError(f"{outcome.failed} of {count} streams of {model} failed: is something else running here?")
    return max(0.1, spent / (count * chunks) * 1e6)


def _wait_until_quiet(server: Process) -> None:
    """Wait until a server has finished its start-up work, which is not part of the streams. Gives up after
    ten seconds.
    """
    for _ in range(50):
        before = server.cpu()
        time.sleep(0.2)
        if server.cpu() - before < 0.02:
            return


def _patterns(count: int) -> str:
    rules = [{"name": str(rule["name"]), "regex": str(rule["regex"])} for rule in custom(count)]
    return f"default_policies: [redact/all]\npolicies: {json.dumps({'redact/all': {'rules': rules}})}\n"


def _words(count: int) -> str:
    rules = [{"name": "words", "words_file": "words.txt"}]
    return f"default_policies: [redact/all]\npolicies: {json.dumps({'redact/all': {'rules': rules}})}\n"


def _word_file(count: int) -> dict[str, str]:
    return {"words.txt": "\n".join(made_up_words(count))} if count else {}


def _table(section: Section, curves: Sequence[Curve]) -> str:
    head = " | ".join(curve.name if curve.unit in curve.name else f"{curve.name}, {curve.unit}" for curve in curves)
    rows = [f"\n| {section.across} | {head} |", "|---|" + "---|" * len(curves)]
    for at, (x, _) in enumerate(curves[0].points):
        rows.append(f"| {x:,.0f} | {' | '.join(f'{curve.points[at][1]:,.1f}' for curve in curves)} |")
    return "\n".join(rows)
