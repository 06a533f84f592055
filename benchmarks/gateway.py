"""`scripts/bench gateway`: cost of Sluice beside nginx and LiteLLM's proxy for the same streams, in one run.

The upstream is `paced` in a process of its own, and the load generator is this process. Neither is the bottleneck at
the measured rates. `direct` shows their figures without a server in between. In each round every contender is started,
measured and ended in turn, so that other load on the machine affects all of them. A figure is the median of the rounds.
Added times are relative to `direct` in the same rounds. Machines are noisy: compare within one run, by ratio.
"""

import contextlib
import os
import pathlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.charts import bars
from benchmarks.contenders import Contender, contenders
from benchmarks.environments import Missing
from benchmarks.measure import RATE, STALL, Figures, Load, measured, sustained
from benchmarks.servers import Process, paced

BASE = "nginx"
"""The base of ratios."""

_LATE = 0.1
"""Share of the run's time by which a server that keeps up may be late."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a run.

    They are the load, the number of rounds, the search for the maximum streams of a core, telemetry, and the contenders
    (all with one of `only` in their name, and always nginx and `direct`).
    """

    load: Load
    rounds: int = 3
    sustain: bool = True
    telemetry: bool = False
    only: Sequence[str] = ()


@dataclass(slots=True)
class Row:
    """One contender's figures of each round, and the maximum streams of one core if measured."""

    name: str
    rounds: list[Figures] = field(default_factory=list)
    streams: int | None = None

    def median(self, measure: str) -> float | None:
        """Return the median of the rounds, or None if it is not measured here."""
        values = [figures[measure] for figures in self.rounds if measure in figures]
        return statistics.median(values) if values else None

    def spread(self, measure: str) -> tuple[float, float]:
        """Return the minimum and the maximum of the rounds."""
        values = [figures[measure] for figures in self.rounds]
        return min(values), max(values)


DIRECT = Contender("direct", lambda upstream: contextlib.nullcontext())  # the running upstream itself


def run(plan: Plan, out: pathlib.Path) -> int:
    """Measure, print the table, and write it and a chart into the folder `out`. The exit code is 1 if a contender
    failed.
    """
    chosen = [one for one in contenders(plan.telemetry) if _wanted(one.name, plan.only)]
    rows = {one.name: Row(one.name) for one in (DIRECT, *chosen)}
    failed: set[str] = set()
    with paced() as upstream:
        for at in range(plan.rounds):
            for contender in (DIRECT, *chosen):
                if contender.name in failed:
                    continue
                _say(f"round {at + 1} of {plan.rounds}: {contender.name} …")
                try:
                    _round(contender, upstream, plan, rows[contender.name], last=at + 1 == plan.rounds)
                except (Missing, RuntimeError, TimeoutError) as error:
                    _say(f"{contender.name} is left out: {error}")
                    failed.add(contender.name)
    told = [row for row in rows.values() if row.rounds and row.name not in failed]
    text = table(told, plan)
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    (out / "gateway.md").write_text(text + "\n")
    (out / "gateway.svg").write_text(chart(told, plan.load))
    return 1 if failed else 0


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or name.startswith(BASE) or any(part in name for part in only)


def _round(contender: Contender, upstream: Process, plan: Plan, row: Row, *, last: bool) -> None:
    """Start a contender, measure it, and end it."""
    with contender.run(upstream.url) as server:
        own = server is not None
        row.rounds.append(measured(contender, server or upstream, plan.load, own=own))
        if last and plan.sustain and contender.sustained:
            row.streams = sustained(contender, server or upstream, upstream)


def table(rows: Sequence[Row], plan: Plan) -> str:
    """Format the figures as Markdown: medians, and the range of CPU."""
    load = plan.load
    lines = [
        f"{load.streams} streams of {load.rate} chunks/s for {load.seconds} s, {os.cpu_count()} cores, "
        f"medians of {plan.rounds} rounds; `all`: at {load.streams} streams.",
        "",
        "| | CPU µs a chunk (least–most) | times nginx | first token, added: one stream p50 / p99 | all p50 / p99 "
        "| gap between chunks p99, added | short answers/s | streams of a core | RSS at start | a stream | ready |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    base = next((row.median("cpu") for row in rows if row.name.startswith(BASE)), None)
    lines += [f"| {row.name} | {' | '.join(_cells(row, rows[0], base))} |" for row in rows]
    gap = f"{STALL * 1000:.0f} ms"
    lines += [
        "",
        f"Streams of a core: the most of {RATE} chunks/s, the server on one core, no gap {gap} longer than alone.",
    ]
    if any(map(_mark, rows)):
        lines.append("† does not keep up with this load: it took more than a tenth longer than the upstream's pace.")
    return "\n".join(lines)


def _cells(row: Row, direct: Row, base: float | None) -> list[str]:
    cpu = row.median("cpu")
    spread = "" if cpu is None else "{:.1f} ({:.1f}–{:.1f})".format(cpu, *row.spread("cpu")) + _mark(row)
    return [
        spread,
        "" if cpu is None or not base else f"{cpu / base:.2f}",
        f"{_added(row, direct, 'one_p50'):+.2f} / {_added(row, direct, 'one_p99'):+.2f} ms",
        f"{_added(row, direct, 'many_p50'):+.1f} / {_added(row, direct, 'many_p99'):+.1f} ms",
        f"{_added(row, direct, 'gap'):+.1f} ms",
        _told(row.median("short"), "{:,.0f}"),
        "" if row.streams is None else f"{row.streams:,}",
        _told(row.median("rss"), "{:.0f} MB"),
        _told(row.median("stream"), "{:.0f} KB"),
        _told(row.median("ready"), "{:,.0f} ms"),
    ]


def _mark(row: Row) -> str:
    return "†" if (row.median("late") or 0) > _LATE else ""


def _added(row: Row, direct: Row, measure: str) -> float:
    return (row.median(measure) or 0) - (direct.median(measure) or 0)


def _told(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def chart(rows: Sequence[Row], load: Load) -> str:
    """Draw CPU per chunk as bars."""
    base = next((row.median("cpu") for row in rows if row.name.startswith(BASE)), None)
    told = []
    for row in rows:
        cpu = row.median("cpu")
        if cpu is not None:
            told.append((row.name, cpu, f"{cpu:.0f} µs" + (f" · {cpu / base:.1f}×" if base else "")))
    return bars(f"CPU a chunk, {load.streams} streams of {load.rate} chunks/s (times nginx)", told, "Sluice")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
