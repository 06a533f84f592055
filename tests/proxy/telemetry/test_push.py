"""Metrics over OTLP, as a backend gets them."""

import contextlib
from collections.abc import Iterator

import pytest

from proxy.telemetry.service import Telemetry
from tests.proxy.telemetry.collector import Collector, collecting, until
from tests.proxy.telemetry.served import running, serve


@contextlib.contextmanager
def pushing() -> Iterator[tuple[Collector, Telemetry]]:
    with collecting() as collector:
        otlp = f"{{endpoint: '{collector.url}', headers: {{x-team: blue}}, timeout: 1}}"
        with running(f"{{traces: none, metrics: otlp, otlp: {otlp}}}", lambda: 4) as telemetry:
            yield collector, telemetry


def test_a_backend_gets_every_kind_of_instrument() -> None:
    with pushing() as (collector, telemetry):
        serve(telemetry)
        telemetry.flush()
        assert collector.paths == ["/v1/metrics"] and collector.headers["x-team"] == "blue"
    [duration] = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert (duration.count, duration.min, duration.max) == (1, pytest.approx(1.875), pytest.approx(1.875))
    assert {one.key: one.value.string_value for one in duration.attributes} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
    }
    assert collector.metrics["sluice.cost"].sum.is_monotonic
    [active] = collector.metrics["sluice.streams.active"].sum.data_points
    assert active.as_int == 4 and not collector.metrics["sluice.streams.active"].sum.is_monotonic


def test_they_are_pushed_by_themselves_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    with pushing() as (collector, _):
        until(lambda: len(collector.paths) >= 2)
    monkeypatch.delenv("OTEL_METRIC_EXPORT_INTERVAL")
    with pushing() as (last, _):
        assert not last.paths
    assert len(last.paths) == 1


def test_a_backend_that_refuses_is_counted() -> None:
    with pushing() as (collector, telemetry):
        collector.status = 400
        telemetry.flush()
        collector.status = 200
        telemetry.flush()
        points = collector.metrics["sluice.telemetry.metric_pushes"].sum.data_points
        assert [(one.attributes[0].value.string_value, one.as_int) for one in points] == [("failed", 1)]
