"""A request's watch listens only if asked to, and its failures do not spread."""

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from policies.events import Text
from proxy.telemetry import names
from proxy.telemetry.service import Telemetry
from tests.proxy.providers.calls import call
from tests.proxy.telemetry.served import a_record, config, scope


def test_nobody_listens_unless_content_is_wanted() -> None:
    kept = InMemorySpanExporter()
    assert Telemetry(config(), environ={}, exporters=[kept]).observe(scope(), a_record()).listener is None
    unsampled = Telemetry(config("{content: redacted, sample: 0}"), environ={}, exporters=[kept])
    assert unsampled.observe(scope(), a_record()).listener is None
    assert Telemetry(config("{content: redacted}"), environ={}).observe(scope(), a_record()).listener is None


def test_content_is_on_the_chat_span_where_it_is_wanted() -> None:
    kept = InMemorySpanExporter()
    telemetry = Telemetry(config("{content: redacted, content_chars: 4}"), environ={}, exporters=[kept])
    record = a_record()
    observer = telemetry.observe(scope(), record)
    observer.attempt(record.tries[0], call("openai"))
    assert observer.listener is not None
    observer.listener([Text(0, "content", "[EMAIL] said")])
    observer.over(record)
    telemetry.flush()
    [chat] = [span for span in kept.get_finished_spans() if span.name.startswith("chat")]
    assert chat.attributes is not None
    assert json.loads(str(chat.attributes[names.INPUT_MESSAGES]))[0]["parts"][0]["content"] == "hell"
    assert json.loads(str(chat.attributes[names.OUTPUT_MESSAGES]))[0]["parts"][0]["content"] == "[EMA"
    assert not any(
        names.OUTPUT_MESSAGES in (span.attributes or {}) for span in kept.get_finished_spans() if span != chat
    )


def test_what_fails_in_telemetry_stays_there_and_is_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    kept = InMemorySpanExporter()
    telemetry = Telemetry(config(), environ={}, exporters=[kept])
    record: Any = a_record()
    observer = telemetry.observe({"method": "POST", "path": "/x", "headers": [("secret", None, "words")]}, record)
    observer.attempt(record.tries[0], None)  # type: ignore[arg-type]
    record.notes = [object()]
    observer.over(record)
    assert "telemetry failed with" in caplog.text and "secret" not in caplog.text


def test_requests_in_flight_are_counted() -> None:
    telemetry = Telemetry(config(), environ={})
    record = a_record()
    active = telemetry._watching.measures.active
    observer = telemetry.observe(scope(), record)
    assert dict(active.series()) == {("POST", "http"): 1}
    observer.over(record)
    observer.over(record)
    assert dict(active.series()) == {("POST", "http"): 0}
