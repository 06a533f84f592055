"""`sluice telemetry test` sends telemetry and reports problems."""

import time
from pathlib import Path

import pytest

from proxy.cli.telemetry import test as run
from proxy.telemetry.check import NAME, check
from tests.proxy.telemetry.collector import collecting
from tests.proxy.telemetry.served import CONFIG, config


def test_a_span_arrives_and_its_trace_id_is_told() -> None:
    with collecting() as collector:
        settings = config(f"{{metrics: [otlp, prometheus], otlp: {{endpoint: '{collector.url}'}}}}")
        traces, metrics, prometheus = check(settings, {})
    assert traces.good and metrics.good and prometheus.good
    [span] = collector.spans
    assert span.name == NAME and span.trace_id.hex() in traces.said
    assert "sluice.telemetry.tests" in collector.metrics


def test_what_is_wrong_is_said() -> None:
    with collecting() as collector:
        collector.status = 401
        [traces, _] = check(config(f"{{otlp: {{endpoint: '{collector.url}'}}}}"), {})
    assert not traces.good and "401" in traces.said and collector.url in traces.said


def test_a_backend_that_is_not_there_is_told_at_once() -> None:
    with collecting() as collector:
        url = collector.url
    began = time.monotonic()
    told = [*check(config(f"{{metrics: [otlp], otlp: {{endpoint: '{url}'}}}}"), {})]
    assert time.monotonic() - began < 2
    assert len(told) == 2 and not any(result.good for result in told)
    assert all(result.said.endswith(": connection refused: does a collector listen there?") for result in told)


def test_a_backend_that_is_busy_is_asked_once_and_what_it_said_is_told() -> None:
    with collecting() as collector:
        collector.status = 503
        [traces, _] = check(config(f"{{otlp: {{endpoint: '{collector.url}'}}}}"), {})
        assert len(collector.paths) == 1
    assert traces.said.endswith(" did not take a span: Service Unavailable")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(CONFIG)
    assert run(str(file)) == 0
    assert "traces: none are exported" in capsys.readouterr().out
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    assert run(str(file)) == 1
    assert "OTEL_TRACES_EXPORTER" in capsys.readouterr().err
    monkeypatch.delenv("OTEL_TRACES_EXPORTER")
    file.write_text("providers: 1")
    assert run(str(file)) == 1
