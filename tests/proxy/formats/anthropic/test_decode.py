"""An Anthropic message as a whole: its start, finish and end, its counts, its errors, and its form without a stream."""

import json
from typing import Any

import pytest

from policies.events import End, Finish, Text, Usage
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import DecodeError
from tests.proxy.formats.anthropic_events import (
    CITATION,
    EVERYTHING,
    PAGE,
    PING,
    QUERY,
    SEARCH,
    START,
    STOP,
    call,
    delta,
    ended,
    seen,
    text,
)
from tests.proxy.formats.folding import fold, play, sse


def test_a_text_answer_is_its_pieces_then_its_usage_finish_and_end() -> None:
    events = play(AnthropicDecoder(guarded=True), [START, PING, *text(0, "Hel", "lo"), *ended()])
    assert events == [
        Usage(14, 1, cached=3, cache_write=2),
        Text(0, "content", "Hel"),
        Text(0, "content", "lo"),
        Usage(14, 20, cached=3, cache_write=2),
        Finish(0, "stop"),
        End("natural"),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "length"),
        ("compaction", "length"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reasons_are_openais(reason: str, finish: str) -> None:
    assert seen(*text(0, "x"), *ended(reason)).finish == {0: finish}


def test_an_unknown_stop_reason_is_a_fault_behind_the_text() -> None:
    got = seen(*text(0, "x"), *ended("something_new"))
    assert isinstance(got.end, DecodeError) and (got.content, got.finish) == ("x", {})


def test_a_block_behind_the_stop_reason_is_the_answers_too() -> None:
    *most, stop = [*text(0, "Hel"), *ended()]
    assert seen(*most, *text(1, "lo"), stop).content == "Hello"


def test_usage_is_in_openais_meaning_and_null_does_not_replace_a_count() -> None:
    usage: Any = {"input_tokens": None, "output_tokens": 40, "output_tokens_details": {"thinking_tokens": 15}}
    got = seen(*text(0, "x"), *ended(**usage))
    assert got.usage == [Usage(14, 1, 3, 2), Usage(14, 40, 3, 2, reasoning=15)]


def test_a_later_count_of_zero_takes_nothing_back() -> None:
    got = seen(*text(0, "x"), *ended(input_tokens=0, output_tokens=5))
    assert got.usage[-1] == Usage(14, 5, 3, 2)


def test_usage_of_several_rounds_is_their_sum() -> None:
    first = {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 80}
    second = {"input_tokens": 50, "cache_creation_input_tokens": 7, "output_tokens": 8}
    got = seen(*ended(input_tokens=50, output_tokens=8, iterations=[first, second]))
    assert got.usage[-1] == Usage(1057, 88, cached=900, cache_write=7)


def test_thinking_is_counted_by_the_rounds_or_else_by_the_whole() -> None:
    rounds: list[Any] = [{"output_tokens": 10, "output_tokens_details": {"thinking_tokens": n}} for n in (3, 4)]
    assert seen(*ended(output_tokens=10, iterations=rounds)).usage[-1].reasoning == 7
    assert seen(*ended(**rounds[0], iterations=[{"output_tokens": 10}])).usage[-1].reasoning == 3


@pytest.mark.parametrize("value", [-1, True, "x", 1.5, 10**400, None, [7]])
def test_a_count_that_is_none_is_nothing(value: Any) -> None:
    assert seen(*ended(input_tokens=5, output_tokens=value)).usage[-1].completion in (0, 1)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("timeout_error", 504),
        ("something_new", 502),
    ],
)
def test_an_error_is_a_fault_with_the_status_it_would_have_had(kind: str, status: int) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "No."}}
    assert seen(*text(0, "x"), error, *ended()).end == DecodeError("No.", status, kind)
    assert AnthropicDecoder(True).whole(sse({**error, "request_id": "req_1"})) == (DecodeError("No.", status, kind),)


def test_an_error_in_an_events_place_is_a_fault_whatever_the_events_type() -> None:
    error = {"error": {"type": "overloaded_error", "message": "No."}}
    for event in (error, {"type": "strange", **error}):
        assert seen(event).end == DecodeError("No.", 529, "overloaded_error")
        assert fold(AnthropicDecoder(True).whole(sse(event))).end == DecodeError("No.", 529, "overloaded_error")


def test_a_faults_message_is_the_providers_and_cut() -> None:
    end = seen({"type": "error", "error": {"type": "api_error", "message": "m" * 9000}}).end
    assert isinstance(end, DecodeError) and end.message == "m" * 500


@pytest.mark.parametrize("data", [b"{", b"[7]", b"\xff\xfe", b'"text"', b"[" * 100_000])
def test_data_that_is_no_json_object_is_a_fault(data: bytes) -> None:
    end = seen(data, *text(0, "x")).end
    assert isinstance(end, DecodeError) and (end.status, end.kind) == (502, "malformed_event")


def test_unknown_events_and_deltas_are_skipped() -> None:
    events = [{"type": "hello"}, {}, {"type": None}, delta(0, "new_delta", text="no"), delta(9, "text_delta", text="x")]
    assert seen(*events, *ended()).content == "x"


def test_an_answer_that_breaks_off_has_no_end() -> None:
    assert seen(*text(0, "x")).end is None


def test_an_answer_with_its_stop_reason_has_ended_though_the_last_event_is_missing() -> None:
    assert seen(*text(0, "x"), *ended()[:1]).end == End("natural")


def test_an_answer_that_stops_without_a_reason_is_finished_by_what_it_holds() -> None:
    assert seen(*text(0, "x"), STOP).finish == {0: "stop"}
    assert seen(*call(0, "t", "f"), STOP).finish == {0: "tool_calls"}


def test_behind_its_stop_reason_blocks_and_counts_are_taken_and_the_worse_reason_counts() -> None:
    late = [*text(1, " late"), *call(2, "t", "f"), *ended("refusal", output_tokens=21)]
    got = seen(*text(0, "x"), *ended()[:1], *late)
    assert (got.content, len(got.calls), got.finish) == ("x late", 1, {0: "content_filter"})
    assert (got.usage[-1].completion, got.end) == (21, End("natural"))


def test_after_its_end_a_decoder_gives_nothing() -> None:
    decoder = AnthropicDecoder(guarded=True)
    play(decoder, [*text(0, "x"), *ended()])
    assert [*decoder.decode(None, sse(START)), *decoder.decode(None, b"{"), *decoder.eof(), *decoder.whole(b"{")] == []


def test_the_messages_id_and_model_are_known_unless_they_could_carry_text_past_a_guard() -> None:
    odd = {**START, "message": {**START["message"], "model": "my card is 4111 1111", "id": 7}}
    for guarded, model in [(True, None), (False, "my card is 4111 1111")]:
        decoder = AnthropicDecoder(guarded)
        decoder.decode("message_start", sse(odd))
        assert (decoder.meta.id, decoder.meta.model) == (None, model)
    decoder = AnthropicDecoder(guarded=True)
    decoder.decode("message_start", sse(START))
    assert (decoder.meta.id, decoder.meta.model) == ("msg_01", "claude-sonnet-4-5")


def test_a_lone_surrogate_survives() -> None:
    assert seen(*text(0, "a\ud800b"), *ended()).content == "a\ud800b"


def test_a_whole_message_is_the_same_answer_as_its_stream() -> None:
    block = {"type": "thinking", "thinking": "Let me think.", "signature": "c2lnbmVk"}
    message = {
        **START["message"],
        "content": [
            block,
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": QUERY},
            SEARCH[3]["content_block"],
            {"type": "text", "text": "It is warm."},
            {"type": "text", "text": "About 70°.", "citations": [CITATION, PAGE]},
            {"type": "tool_use", "id": "toolu_1", "name": "lookup", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "lookup", "input": {}},
            {"type": "compaction", "content": "summary"},
        ],
        "stop_reason": "tool_use",
        "usage": {**START["message"]["usage"], **EVERYTHING[-2]["usage"]},
    }
    whole = fold(AnthropicDecoder(guarded=False).whole(sse(message)))
    streamed = fold(play(AnthropicDecoder(guarded=False), EVERYTHING))
    assert whole.usage[-1] == streamed.usage[-1]
    for each in (whole, streamed):
        each.usage.clear()
        each.calls[0, 0].arguments = json.loads(each.calls[0, 0].arguments)
    assert whole == streamed


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"content": "text"}', b"<html>", b'{"type":"message"}'])
def test_a_whole_body_that_is_no_message_is_a_fault(body: bytes) -> None:
    assert isinstance(fold(AnthropicDecoder(guarded=True).whole(body)).end, DecodeError)
