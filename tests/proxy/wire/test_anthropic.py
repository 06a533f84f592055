"""Anthropic's messages become policy events: each feature by a short stream in the real format."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from policies.events import Attachment, End, Finish, Opaque, Text, ToolCall, Usage
from proxy.wire.anthropic import AnthropicDecoder
from proxy.wire.base import Fault
from proxy.wire.fields import UNREADABLE
from tests.proxy.wire.damage import damaged
from tests.proxy.wire.folding import Call, Seen, fold, play, sse

START = {
    "type": "message_start",
    "message": {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 9,
            "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 2,
            "output_tokens": 1,
        },
    },
}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}
QUERY = {"query": "weather"}


def opened(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, type: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": type, **fields}}


def closed(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def text(index: int, *pieces: str, **block: Any) -> list[dict[str, Any]]:
    deltas = [delta(index, "text_delta", text=piece) for piece in pieces]
    return [opened(index, type="text", text="", **block), *deltas, closed(index)]


def call(index: int, id: str, name: str, *pieces: str, input: Any = None) -> list[dict[str, Any]]:
    deltas = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [opened(index, type="tool_use", id=id, name=name, input=input or {}), *deltas, closed(index)]


def ended(reason: str | None = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    usage = usage or {"output_tokens": 20}
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": usage}, STOP]


THINKING = [
    opened(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="Let me "),
    delta(0, "thinking_delta", thinking="think."),
    delta(0, "signature_delta", signature="c2lnbmVk"),
    closed(0),
]
SEARCH = [
    opened(1, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
    delta(1, "input_json_delta", partial_json=json.dumps(QUERY)),
    closed(1),
    opened(2, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"type": "web_search_result"}]),
    closed(2),
]
CITATION = {"type": "web_search_result_location", "url": "https://a.example/", "title": "A", "cited_text": "high 70"}
PAGE = {"type": "char_location", "document_index": 0, "document_title": "Doc", "cited_text": "low 50"}
EVERYTHING = [
    START,
    *THINKING,
    PING,
    opened(0, type="redacted_thinking", data="b3BhcXVl"),
    closed(0),
    *SEARCH,
    *text(3, "It is ", "warm."),
    opened(4, type="text", text="", citations=[]),
    delta(4, "citations_delta", citation=CITATION),
    delta(4, "citations_delta", citation=PAGE),
    delta(4, "text_delta", text="About 70°."),
    closed(4),
    *call(5, "toolu_1", "lookup", "", '{"a"', ": 1}"),
    *call(6, "toolu_2", "lookup"),
    opened(7, type="compaction", content=None),
    delta(7, "compaction_delta", content="summary"),
    closed(7),
    *ended("tool_use", output_tokens=50, output_tokens_details={"thinking_tokens": 12}, iterations=None),
]


def seen(*events: Any, guarded: bool = True, **options: Any) -> Seen:
    return fold(play(AnthropicDecoder(guarded, **options), [START, *events]))


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


def test_text_in_a_blocks_start_is_not_lost() -> None:
    assert (
        seen(opened(0, type="text", text="Hi"), delta(0, "text_delta", text=" there"), *ended()).content == "Hi there"
    )


def test_a_thinking_block_is_reasoning_and_once_more_whole_with_its_signature() -> None:
    events = play(AnthropicDecoder(guarded=True), [*THINKING, *text(1, "Yes")])
    block = {"type": "thinking", "thinking": "Let me think.", "signature": "c2lnbmVk"}
    assert events == [
        Text(0, "reasoning", "Let me "),
        Text(0, "reasoning", "think."),
        Attachment(0, "thinking_blocks", [block]),
        Text(0, "content", "Yes"),
    ]


def test_a_signed_thinking_block_without_text_is_kept() -> None:
    got = seen(THINKING[0], *THINKING[3:], *ended())
    assert got.attached[0, "thinking_blocks"] == [{"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}]


def test_an_unsigned_thinking_block_is_reasoning_only_because_the_provider_would_refuse_it() -> None:
    got = seen(*THINKING[:3], THINKING[4], *ended())
    assert (got.reasoning, got.attached) == ("Let me think.", {})


def test_a_thinking_block_too_long_to_keep_goes_on_as_reasoning_without_its_signature() -> None:
    piece = "x" * (1 << 20)
    got = seen(THINKING[0], *[delta(0, "thinking_delta", thinking=piece)] * 5, *THINKING[3:], *ended())
    assert (len(got.reasoning), got.attached) == (5 << 20, {})


def test_redacted_thinking_is_kept_for_the_next_turn() -> None:
    got = seen(opened(0, type="redacted_thinking", data="b3BhcXVl"), closed(0), *ended())
    assert got.attached[0, "thinking_blocks"] == [{"type": "redacted_thinking", "data": "b3BhcXVl"}]


def test_tool_calls_come_in_pieces_and_are_counted_without_the_blocks_around_them() -> None:
    events = [*text(0, "Sure"), *SEARCH, *call(3, "t1", "f", "", '{"a"', ":1}"), *call(4, "t2", "g", "{}")]
    got = play(AnthropicDecoder(guarded=True), [*events, *ended("tool_use")])
    assert [e for e in got if isinstance(e, ToolCall | Finish)] == [
        ToolCall(0, 0, "t1", "f"),
        ToolCall(0, 0, arguments='{"a"'),
        ToolCall(0, 0, arguments=":1}"),
        ToolCall(0, 1, "t2", "g"),
        ToolCall(0, 1, arguments="{}"),
        Finish(0, "tool_calls"),
    ]


@pytest.mark.parametrize("input", [{}, {"city": "Paris", "n": 12345678901234567890123, "s": "\ud800"}])
def test_arguments_that_were_not_streamed_come_whole_at_the_blocks_stop(input: Any) -> None:
    got = seen(*call(0, "t1", "f", "", input=input), *ended("tool_use"))
    assert json.loads(got.calls[0, 0].arguments) == input


def test_arguments_come_even_when_the_message_ends_before_the_block() -> None:
    assert seen(call(0, "t1", "f")[0], *ended("tool_use")).calls[0, 0].arguments == "{}"


def test_a_call_without_a_name_is_a_fault_because_the_client_could_not_run_it() -> None:
    assert seen(opened(0, type="tool_use", id="t1", input={}), *ended()).end == UNREADABLE


def test_tool_names_that_were_changed_for_the_provider_are_the_clients_again() -> None:
    got = seen(*call(0, "t1", "a_b"), *call(1, "t2", "c"), *ended("tool_use"), tool_names={"a_b": "a/b"})
    assert [c.name for c in got.calls.values()] == ["a/b", "c"]


def test_the_forced_json_tool_is_content_and_the_answer_stops() -> None:
    got = seen(*call(0, "t1", "json_tool_call", '{"a"', ": 1}"), *ended("tool_use"), json_tool=True)
    assert (got.content, got.calls, got.finish) == ('{"a": 1}', {}, {0: "stop"})


def test_the_forced_json_tool_called_with_its_input_whole_is_content_too() -> None:
    got = seen(*call(0, "t1", "json_tool_call", input={"a": 1}), *ended("tool_use"), json_tool=True)
    assert json.loads(got.content) == {"a": 1}


def test_beside_the_json_tool_other_calls_are_calls() -> None:
    events = [*call(0, "t1", "json_tool_call", "{}"), *call(1, "t2", "f", "{}"), *ended("tool_use")]
    got = seen(*events, json_tool=True)
    assert got.calls == {(0, 0): Call("t2", "f", "{}")}
    assert (got.content, got.finish) == ("{}", {0: "tool_calls"})


def test_a_clients_own_tool_of_the_json_tools_name_is_a_call() -> None:
    got = seen(*call(0, "t1", "json_tool_call", "{}"), *ended("tool_use"))
    assert (got.content, got.calls) == ("", {(0, 0): Call("t1", "json_tool_call", "{}")})


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
def test_the_providers_own_tools_are_never_calls_or_content(kind: str) -> None:
    events = [
        {**e, "content_block": {**e["content_block"], "type": kind}} if "content_block" in e else e for e in SEARCH
    ]
    got = seen(*events[:3], *ended("tool_use"), guarded=False)
    assert (got.calls, got.text, got.opaque, got.finish) == ({}, {}, [], {0: "stop"})


def test_other_blocks_are_kept_for_a_chain_without_guards_only() -> None:
    unknown = [opened(3, type="hologram", data="x"), closed(3)]
    assert seen(*SEARCH, *unknown, *ended()).opaque == []
    assert seen(*SEARCH, *unknown, *ended(), guarded=False).opaque == [
        Opaque(0, "delta", {"provider_parts": [{**SEARCH[3]["content_block"], "index": 0}]}),
        Opaque(0, "delta", {"provider_parts": [{"type": "hologram", "data": "x", "index": 1}]}),
    ]


def test_a_compaction_is_kept_as_litellm_takes_it_back() -> None:
    events = [
        opened(0, type="compaction", content=None),
        delta(0, "compaction_delta", content="sum"),
        closed(0),
        *ended(),
    ]
    block = {"type": "compaction", "content": "sum"}
    fields = {"provider_specific_fields": {"compaction_blocks": [block]}}
    assert seen(*events, guarded=False).opaque == [Opaque(0, "delta", fields)]
    assert seen(*events).opaque == []


def test_a_cited_text_block_is_annotated_with_its_place_in_the_content() -> None:
    cited = opened(1, type="text", text="", citations=[])
    events = [*text(0, "It is "), cited, delta(1, "citations_delta", citation=CITATION)]
    events += [delta(1, "text_delta", text="about 70°"), delta(1, "citations_delta", citation=CITATION), closed(1)]
    got = seen(*events, *ended())
    citation = {"url": "https://a.example/", "title": "A", "start_index": 6, "end_index": 15}
    assert got.attached[0, "annotations"] == [
        {"type": "url_citation", "url_citation": citation, "index": 0},
        {"type": "url_citation", "url_citation": citation, "index": 1},
    ]
    assert got.content[6:15] == "about 70°"


def test_citations_without_a_url_keep_litellms_spelling_for_a_chain_without_guards() -> None:
    events = [*text(0, "x", citations=[PAGE, "rubbish", None]), *ended()]
    assert seen(*events, guarded=False).opaque == [Opaque(0, "delta", {"provider_specific_fields": {"citation": PAGE}})]
    assert seen(*events).opaque == []


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("compaction", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons_are_openais(reason: str, finish: str) -> None:
    assert seen(*text(0, "x"), *ended(reason)).finish == {0: finish}


def test_usage_is_in_openais_meaning_and_null_does_not_replace_a_count() -> None:
    usage = {"input_tokens": None, "output_tokens": 40, "output_tokens_details": {"thinking_tokens": 15}}
    got = seen(*text(0, "x"), *ended(**usage))
    assert got.usage == [Usage(14, 1, 3, 2), Usage(14, 40, 3, 2, reasoning=15)]


def test_usage_of_several_rounds_is_their_sum() -> None:
    first = {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 80}
    second = {"input_tokens": 50, "cache_creation_input_tokens": 7, "output_tokens": 8}
    got = seen(*ended(input_tokens=50, output_tokens=8, iterations=[first, second]))
    assert got.usage[-1] == Usage(1057, 88, cached=900, cache_write=7)


@pytest.mark.parametrize("value", [-1, True, "7", 1.5, 10**400, None, [7]])
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
    assert seen(*text(0, "x"), error, *ended()).end == Fault("No.", status, kind)
    assert AnthropicDecoder(True).whole(sse({**error, "request_id": "req_1"})) == (Fault("No.", status, kind),)


def test_a_faults_message_is_the_providers_and_cut() -> None:
    end = seen({"type": "error", "error": {"type": "api_error", "message": "m" * 9000}}).end
    assert isinstance(end, Fault) and end.message == "m" * 500


@pytest.mark.parametrize("data", [b"{", b"[]", b"null", b"\xff\xfe", b'"text"', b"[" * 100_000])
def test_data_that_is_no_json_object_is_a_fault(data: bytes) -> None:
    end = seen(data, *text(0, "x")).end
    assert isinstance(end, Fault) and (end.status, end.kind) == (502, "malformed_event")


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


def test_after_the_finish_only_counts_and_the_end_are_taken() -> None:
    late = [*text(1, "late"), *call(2, "t", "f"), *ended("refusal", output_tokens=21)]
    got = seen(*text(0, "x"), *ended()[:1], *late)
    assert (got.content, got.calls, got.finish) == ("x", {}, {0: "stop"})
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


def test_blocks_that_never_stop_are_bounded() -> None:
    end = seen(*(call(i, f"t{i}", "f")[0] for i in range(1000)), *ended()).end
    assert isinstance(end, Fault)


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
    assert isinstance(fold(AnthropicDecoder(guarded=True).whole(body)).end, Fault)


@settings(max_examples=300, deadline=None)
@given(damaged(EVERYTHING))
def test_no_damage_to_a_stream_breaks_the_decoder(events: list[bytes]) -> None:
    for guarded in (True, False):
        decoder = AnthropicDecoder(guarded, json_tool=guarded)
        got = fold(play(decoder, events))
        assert not guarded or not got.opaque
        assert (*decoder.decode(None, events[0]), *decoder.eof()) == () or got.end is None


@settings(max_examples=150, deadline=None)
@given(damaged([{**START["message"], "content": [e["content_block"] for e in EVERYTHING if "content_block" in e]}]))
def test_no_damage_to_a_whole_body_breaks_the_decoder(bodies: list[bytes]) -> None:
    for body in bodies:
        assert fold(AnthropicDecoder(guarded=True).whole(body)).end is not None
