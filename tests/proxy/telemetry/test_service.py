"""A process's telemetry: over real OTLP, and with a backend that is down."""

import time

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.config.load import parse
from proxy.telemetry import names
from proxy.telemetry.service import Telemetry
from tests.proxy.telemetry.collector import collecting
from tests.proxy.telemetry.served import CONFIG, a_record, config, scope, serve

pytestmark = pytest.mark.anyio


async def test_spans_arrive_over_otlp_before_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sluice")
    with collecting() as collector:
        telemetry = Telemetry(config(f"{{otlp: {{endpoint: '{collector.url}'}}, service_name: mine}}"), environ={})
        telemetry.start()
        serve(telemetry)
        await telemetry.aclose()
    assert [span.name for span in collector.spans] == [
        "attempt openai",
        "chat gpt-4o-mini",
        "POST /v1/chat/completions",
    ]
    assert collector.resources[0]["service.name"] == "mine"
    assert f"{collector.url}/v1/traces" in caplog.text


async def test_a_backend_that_hangs_costs_requests_nothing_and_the_end_a_bounded_time() -> None:
    with collecting() as collector:
        collector.open.clear()
        settings = config(f"{{metrics: [otlp, prometheus], otlp: {{endpoint: '{collector.url}', timeout: 8}}}}")
        telemetry = Telemetry(
            settings, environ={"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
        )
        began = time.monotonic()
        for _ in range(200):
            serve(telemetry)
        assert time.monotonic() - began < 2
        text, _ = await telemetry.metrics("")
        began = time.monotonic()
        await telemetry.aclose(0.2)
        assert time.monotonic() - began < 2
    [line] = [line for line in text.decode().splitlines() if 'spans_total{sluice_result="dropped"}' in line]
    assert 600 - 64 - 8 <= float(line.split()[-1]) < 600


async def test_without_anything_to_export_there_is_nothing_to_end() -> None:
    telemetry = Telemetry(config("{metrics: none}"), environ={})
    serve(telemetry)
    assert not telemetry.exposes_metrics
    await telemetry.aclose()


async def test_a_reload_counts_for_new_requests_and_says_what_must_wait(caplog: pytest.LogCaptureFixture) -> None:
    kept = InMemorySpanExporter()
    telemetry = Telemetry(config(), environ={}, exporters=[kept])
    before = telemetry.observe(scope(), a_record())
    telemetry.use(parse(CONFIG.replace("alias:", "renamed:") + "telemetry: {compat: [openinference]}", environ={}))
    assert not [record for record in caplog.records if record.name.startswith("sluice")]
    serve(telemetry, model="renamed")
    before.over(a_record(tries=[]))
    telemetry.use(config("{content: redacted, sample: 0.5, traces: console}"))
    assert "telemetry: traces, sample take effect with the next start" in caplog.text
    text, _ = await telemetry.metrics("")
    await telemetry.aclose()
    assert 'sluice_model_alias="renamed"' in text.decode()
    kinds = [(span.attributes or {}).get(names.OI_KIND) for span in kept.get_finished_spans()]
    assert kinds == [None, "LLM", "CHAIN", None]  # the attempt, its chat span, its server span; then the one of before
