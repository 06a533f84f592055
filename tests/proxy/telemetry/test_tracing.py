"""The spans of a request, for every kind of caller and request."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from proxy.telemetry import names
from proxy.telemetry.service import Telemetry
from tests.end_to_end.spans import Tree, parent_of, tree
from tests.proxy.telemetry.served import CALLER, a_record, a_try, config, serve

PARENT = (b"traceparent", CALLER.encode())


def spans(settings: str, *headers: tuple[bytes, bytes], **changes: object) -> list[ReadableSpan]:
    kept = InMemorySpanExporter()
    telemetry = Telemetry(config(settings), environ={}, exporters=[kept])
    serve(telemetry, *headers, **changes)
    telemetry.flush()
    return list(kept.get_finished_spans())


def traced(settings: str = "{}", *headers: tuple[bytes, bytes], **changes: object) -> Tree:
    return tree(spans(settings, *headers, **changes))


def test_a_caller_is_the_parent() -> None:
    found = traced("{}", PARENT)
    assert parent_of(found.server) == 0xB7AD6B7169203331
    assert f"{found.server.context.trace_id:032x}" == CALLER[3:35]


def test_a_caller_can_be_linked() -> None:
    found = traced("{trace_context: link}", PARENT)
    assert found.server.parent is None and f"{found.server.context.trace_id:032x}" != CALLER[3:35]
    assert [f"{link.context.trace_id:032x}" for link in found.server.links] == [CALLER[3:35]]
    assert (found.server.attributes or {})[names.CALLER_TRACE] == CALLER[3:35]


def test_a_caller_can_be_ignored_and_does_not_decide_then() -> None:
    unsampled = (b"traceparent", CALLER[:-1].encode() + b"0")
    found = traced("{trace_context: ignore}", unsampled)
    assert found.server.parent is None and not found.server.links
    assert names.CALLER_TRACE not in (found.server.attributes or {})
    assert spans("{}", unsampled) == []


def test_sampling_is_the_settings_share() -> None:
    assert spans("{sample: 0}") == []
    assert len(spans("{sample: 0}", PARENT)) == 3


def test_baggage_that_is_allowed_becomes_attributes() -> None:
    header = (b"baggage", b"session.id=s-1,user.id=jane")
    found = traced("{baggage: [session.id]}", header)
    for span in (found.server, found.chat):
        assert span is not None and span.attributes is not None
        assert span.attributes["session.id"] == "s-1" and "user.id" not in span.attributes


def test_times_are_the_records() -> None:
    found = traced()
    server, chat = found.server, found.chat
    assert chat is not None and server.start_time and server.end_time and chat.start_time
    assert (server.end_time - server.start_time) / 1e9 == pytest.approx(2.0, abs=0.001)
    assert (chat.start_time - server.start_time) / 1e9 == pytest.approx(0.125, abs=0.001)
    assert chat.end_time == server.end_time


def test_a_fallback_is_a_second_attempt_and_the_chat_span_is_renamed() -> None:
    tries = [a_try(error="overloaded_error", status=529), a_try(2, provider="local", model="llama", reason="fallback")]
    found = traced(tries=tries)
    assert found.chat is not None and found.chat.name == "chat llama"
    assert found.answered[names.PROVIDER] == "local"
    assert [span.name for span in found.attempts] == ["attempt openai", "attempt local"]
    assert [span.status.status_code for span in found.attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert found.chat.status.status_code is StatusCode.UNSET


def test_a_request_that_no_provider_was_asked_is_one_span() -> None:
    found = traced(tries=[], bill=None, outcome="refused", status=401, error="invalid_api_key")
    assert found.all == [found.server]


def test_every_span_ends_once_however_often_it_is_told() -> None:
    kept = InMemorySpanExporter()
    telemetry = Telemetry(config(), environ={}, exporters=[kept])
    record = a_record(tries=[])
    observer = telemetry.observe({"method": "POST", "path": "/x", "headers": []}, record)
    observer.over(record)
    observer.over(record)
    telemetry.flush()
    [span] = kept.get_finished_spans()
    assert span.name == f"POST {names.OTHER}" and (span.attributes or {})["url.path"] == names.OTHER


def test_values_are_cut_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6")
    assert (traced().server.attributes or {})[names.ALIAS] == "alias"
    assert (traced(model="long-alias").server.attributes or {})[names.ALIAS] == "long-a"


def test_langfuse_is_told_when_the_answer_began() -> None:
    found = traced("{compat: [langfuse, openinference]}")
    assert str(found.answered[names.LANGFUSE_STARTED]).endswith("+00:00")
    assert found.answered[names.OI_KIND] == "LLM"
    assert (found.server.attributes or {})[names.OI_KIND] == "CHAIN"
