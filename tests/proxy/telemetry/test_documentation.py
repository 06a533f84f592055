"""docs/observability.md lists exactly the emitted names."""

import re
from pathlib import Path

import pytest

from proxy.telemetry import names
from proxy.telemetry.instruments import Counter, Histogram, Instruments, Observed
from proxy.telemetry.prometheus import prometheus_name
from proxy.telemetry.service import Telemetry
from tests.proxy.telemetry.served import config

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/observability.md").read_text()
NAME = re.compile(r"`([a-z][a-z_]*(?:\.[a-z_]+)+)`")
ELSEWHERE = re.compile(r"(gcp|otlp|telemetry|redact|deployment|service|session|user)\.|.*\.(json|md|py)$")
"""Keys of the configuration, attributes of a caller's choice, files."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables of a section."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]


def emitted() -> set[str]:
    return {value for name, value in vars(names).items() if name.isupper() and "." in value}


def complete() -> Telemetry:
    """Include the metrics of all parts of a running gateway."""
    telemetry = Telemetry(config(), environ={})
    telemetry.follow(lambda: 0, lambda: 0, lambda: False)
    telemetry.follow_output(lambda: 0)
    telemetry.follow_bodies(lambda: 0)
    telemetry.follow_connections(lambda: 0, lambda: 0, lambda: 0)
    return telemetry


def test_every_name_is_told_and_no_other() -> None:
    told = {name for name in NAME.findall(TEXT) if not ELSEWHERE.match(name)}
    assert emitted() - told == set()
    assert told - emitted() == set()


def test_the_table_of_metrics_is_what_there_is() -> None:
    telemetry = complete()
    pushes = Counter(names.M_PUSHES, "{push}", "", (names.L_RESULT,))  # where metrics are pushed
    found: dict[str, tuple[str, set[str]]] = {}
    for row in rows("Metrics")[1:]:
        kind, _, unit = row[1].strip().partition(", ")
        found[row[0].strip(" `")] = (f"{kind} {unit}".strip(), set(NAME.findall(row[2])))
    assert telemetry._exposition is not None
    instruments: Instruments = telemetry._exposition._instruments
    assert found == {one.name: (_kind(one), set(one.labels)) for one in (*instruments.all, pushes)}


@pytest.mark.parametrize("file", ["grafana/sluice.json", "prometheus/alerts.yml", "prometheus/alerts_test.yml"])
def test_dashboard_and_alerts_use_metrics_and_labels_that_there_are(file: str) -> None:
    text = (ROOT / "deploy" / file).read_text()
    used = set(re.findall(r"\b(?:sluice|gen_ai|http)_[a-z_]+\b", text))
    telemetry = complete()
    assert telemetry._exposition is not None and used
    known = {label.replace(".", "_") for one in telemetry._exposition._instruments.all for label in one.labels}
    for one in telemetry._exposition._instruments.all:
        name = prometheus_name(one.name, one.unit)
        known |= {name, f"{name}_total", f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    assert used <= known, used - known


def _kind(instrument: Counter | Histogram | Observed) -> str:
    unit = "" if instrument.unit.startswith("{") else instrument.unit
    match instrument:
        case Histogram():
            kind = "histogram"
        case Counter(monotonic=True) | Observed(monotonic=True):
            kind = "counter"
        case _:
            kind = "gauge"
    return f"{kind} {unit}".strip()
