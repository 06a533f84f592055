"""OpenAI-format chunks, as OpenAI and its imitators send them, into events."""

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.events import Attachment, End, Event, Finish, Opaque, Text, ToolCall, Usage
from proxy.formats.base import Decoded, DecodeError, Meta
from proxy.formats.openai_chat.decode import OpenAIDecoder
from tests.proxy.formats.damage import damaged
from tests.proxy.formats.folding import fold, play, sse

END = End("natural")


def chunk(delta: Any = None, index: Any = 0, reason: Any = None, /, **members: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [choice],
    } | members


def decode(*events: Any, guarded: bool = False) -> list[Decoded]:
    decoder = OpenAIDecoder(guarded)
    return [e for event in events for e in decoder.decode(None, event if isinstance(event, bytes) else sse(event))]


def one_choice(**members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **members}]}


THOUGHT = [{"type": "text", "text": "hm"}, {"type": "text", "text": "m"}]

TEXTS: dict[str, tuple[Any, Sequence[Event]]] = {
    "content": ({"content": "a"}, [Text(0, "content", "a")]),
    "with a role": ({"role": "assistant", "content": "a", "refusal": None}, [Text(0, "content", "a")]),
    "refusal": ({"refusal": "no"}, [Text(0, "refusal", "no")]),
    "reasoning_content": ({"reasoning_content": "hm", "content": None}, [Text(0, "reasoning", "hm")]),
    "reasoning": ({"reasoning": "hm", "content": ""}, [Text(0, "reasoning", "hm")]),
    "both names of reasoning": ({"reasoning": "b", "reasoning_content": "a"}, [Text(0, "reasoning", "a")]),
    "one name of reasoning empty": ({"reasoning": "a", "reasoning_content": ""}, [Text(0, "reasoning", "a")]),
    "reasoning comes first": (
        {"content": "a", "reasoning": "hm"},
        [Text(0, "reasoning", "hm"), Text(0, "content", "a")],
    ),
    "nothing": ({"role": "assistant", "content": "", "refusal": ""}, []),
    "text parts": (
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        [Text(0, "content", "ab")],
    ),
    "texts as parts": ({"content": ["a", "b"]}, [Text(0, "content", "ab")]),
    "one part": ({"content": {"type": "text", "text": "a"}}, [Text(0, "content", "a")]),
    "a part of the Responses API": ({"content": [{"type": "output_text", "text": "a"}]}, [Text(0, "content", "a")]),
    "a text": ("a", [Text(0, "content", "a")]),
    "thinking parts": (
        {"content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "a"}]},
        [Text(0, "reasoning", "hmm"), Text(0, "content", "a")],
    ),
    "thinking as text": ({"content": [{"type": "thinking", "thinking": "hm"}]}, [Text(0, "reasoning", "hm")]),
    "unknown parts": ({"content": [{"type": "reference", "reference_ids": [1]}, None, 7]}, []),
    "wrong types": ({"content": 7, "refusal": ["x"], "reasoning": {"a": 1}, "tool_calls": "x", "function_call": 1}, []),
    "a lone surrogate": (b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', [Text(0, "content", "\ud83d")]),
}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(("delta", "events"), TEXTS.values(), ids=TEXTS.keys())
def test_text_goes_into_its_channel(delta: Any, events: Sequence[Event], guarded: bool) -> None:
    assert decode(delta if isinstance(delta, bytes) else chunk(delta), guarded=guarded) == events


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "stop"),
        ("content_filter", "content_filter"),
        ("function_call", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("RECITATION", "content_filter"),
    ],
)
def test_a_finish_is_told_at_the_end(given: Any, reason: Any) -> None:
    assert decode(chunk({"content": "a"}, 0, given), b"[DONE]") == [Text(0, "content", "a"), Finish(0, reason), END]


@pytest.mark.parametrize("reason", ["error", "abort", "network_error", "something_new", ["odd"], 7])
def test_a_finish_reason_that_means_failure_or_is_unknown_is_a_fault_behind_what_came(reason: Any) -> None:
    event = chunk({"content": "a"}, 0, reason, usage={"prompt_tokens": 1})
    event["choices"].append({"index": 1, "delta": {"content": "b"}})
    *came, fault = decode(event, b"[DONE]")
    assert came == [Text(0, "content", "a"), Text(1, "content", "b"), Usage(1, 0, details={"prompt_tokens": 1})]
    assert isinstance(fault, DecodeError) and fault.status == 502


def test_what_comes_behind_a_finish_reason_is_the_answers_too() -> None:
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    late = chunk({"content": "late"} | call, 0, None, usage={"prompt_tokens": 1})
    assert decode(chunk({"content": "a"}, 0, "stop"), late, chunk({"content": "b"}, 1), b"[DONE]") == [
        Text(0, "content", "a"),
        Text(0, "content", "late"),
        ToolCall(0, 0, "c", "f", "{}"),
        Usage(1, 0, details={"prompt_tokens": 1}),
        Text(1, "content", "b"),
        Finish(0, "tool_calls"),
        Finish(1, "stop"),
        END,
    ]


def test_a_message_in_place_of_deltas_is_the_answer_and_behind_deltas_a_copy() -> None:
    said = one_choice(message={"role": "assistant", "content": "a"}, finish_reason="stop")
    assert decode(said, b"[DONE]") == [Text(0, "content", "a"), Finish(0, "stop"), END]
    pieces = [one_choice(message={"content": "a"}), one_choice(message={"content": "b"}, finish_reason="stop")]
    assert decode(*pieces) == [Text(0, "content", "a"), Text(0, "content", "b")]
    assert decode(chunk({"content": "a"}), said, b"[DONE]") == [Text(0, "content", "a"), Finish(0, "stop"), END]


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    broken = b'{"choices":[{"index":0,"delta":{"content":"a\xe4\xbd"}}]}'
    assert decode(broken, chunk({"content": "b"})) == [Text(0, "content", "a\ufffd"), Text(0, "content", "b")]


def test_a_later_count_of_zero_takes_nothing_back() -> None:
    counted, later = {"prompt_tokens": 3, "completion_tokens": 5}, {"prompt_tokens": 0, "completion_tokens": 6}
    got = decode({"choices": [], "usage": counted}, {"choices": [], "usage": later})
    assert [(e.prompt, e.completion) for e in got if isinstance(e, Usage)] == [(3, 5), (3, 6)]


@pytest.mark.parametrize(("first", "second"), [("stop", "length"), ("length", "stop"), ("length", "tool_calls")])
def test_of_two_finish_reasons_the_one_that_promises_less_counts(first: str, second: str) -> None:
    assert Finish(0, "length") in decode(chunk({"content": "a"}, 0, first), chunk({}, 0, second), b"[DONE]")


def test_choices_are_kept_apart_and_may_lack_an_index() -> None:
    both = {"choices": [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}]}
    unnumbered = {"choices": [{"delta": {"content": "a"}}, {"index": None, "delta": {"content": "b"}}]}
    assert decode(both) == [Text(1, "content", "b"), Text(0, "content", "a")]
    assert decode(unnumbered) == [Text(0, "content", "a"), Text(1, "content", "b")]


@pytest.mark.parametrize("index", [-1, 128, 10**30, "x", "-1", 0.5, True, [], {}])
def test_an_index_without_a_place_is_a_fault_after_what_came_before(index: Any) -> None:
    events = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": index, "delta": {"content": "b"}}]}
    text, fault = decode(events, chunk({"content": "c"}))
    assert text == Text(0, "content", "a")
    assert isinstance(fault, DecodeError) and fault.kind == "malformed_event"
    calls = {"tool_calls": [{"index": index, "id": "x", "function": {"name": "f"}}]}
    assert isinstance(decode(chunk(calls))[-1], DecodeError)


def test_unknown_members_are_opaque_at_their_place_and_nulls_are_left_out() -> None:
    event = chunk({"content": "a", "channel": "analysis", "audio": None}, provider="Groq", obfuscation="xyz", none=None)
    event["choices"][0] |= {"text": "a", "native_finish_reason": "STOP", "token_ids": None, "logprobs": None}
    assert decode(event) == [
        Opaque(None, "chunk", {"provider": "Groq", "obfuscation": "xyz"}),
        Opaque(0, "choice", {"text": "a", "native_finish_reason": "STOP"}),
        Opaque(0, "delta", {"channel": "analysis"}),
        Text(0, "content", "a"),
    ]
    assert decode(event, guarded=True) == [Text(0, "content", "a")]


def test_logprobs_are_opaque_unless_they_say_nothing() -> None:
    said = {"content": [{"token": "a", "logprob": -0.1}], "refusal": None}
    assert decode(one_choice(delta={}, logprobs=said)) == [Opaque(0, "choice", {"logprobs": said})]
    assert decode(one_choice(delta={}, logprobs={"content": None, "refusal": None})) == []
    assert decode(one_choice(delta={}, logprobs=said), guarded=True) == []


def test_known_structures_are_attachments() -> None:
    delta = {
        "annotations": [{"type": "url_citation"}],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
        "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}],
        "provider_specific_fields": {"thought_signatures": ["s"], "copy": "of the text"},
    }
    want = [Attachment(0, name, delta[name]) for name in ("annotations", "images", "provider_specific_fields")]
    assert decode(chunk(delta)) == [*want, Attachment(0, "thinking_blocks", delta["thinking_blocks"])]
    guarded = [e for e in decode(chunk(delta), guarded=True) if isinstance(e, Attachment)]
    assert {e.field: e.value for e in guarded} == delta | {"provider_specific_fields": {"thought_signatures": ["s"]}}
    assert decode(chunk({"annotations": [], "images": "x", "provider_specific_fields": []})) == []


def test_tool_calls_stream_in_pieces() -> None:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": '{"a":'}}
    assert decode(chunk({"tool_calls": [first]}), chunk({"tool_calls": [more]}), chunk({}, 0, "tool_calls")) == [
        ToolCall(0, 0, "call_1", "f", ""),
        ToolCall(0, 0, arguments='{"a":'),
    ]


def test_the_legacy_function_call_is_a_call_of_its_own_kind() -> None:
    first, more, finish, _ = decode(
        chunk({"content": None, "function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, 0, "function_call"),
        b"[DONE]",
    )
    assert isinstance(first, ToolCall) and (first.name, first.arguments, first.kind) == ("f", "", "function_call")
    assert more == ToolCall(0, 0, arguments="{}", kind="function_call")
    assert finish == Finish(0, "function_call")


USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "usage": USAGE},
        {"choices": None, "usage": USAGE},
        {"usage": USAGE},
        chunk({}, 0, None, usage=USAGE),
        chunk({}, 0, "stop", x_groq={"id": "r", "usage": USAGE}),
        {"choices": [], "x_groq": {"usage": USAGE}},
        one_choice(delta={}, finish_reason="stop", usage=USAGE),
    ],
)
def test_usage_is_found_wherever_servers_put_it(event: Any) -> None:
    assert [e for e in decode(event) if isinstance(e, Usage)] == [Usage(3, 5, details=USAGE)]


@pytest.mark.parametrize("usage", [None, {}, [], "x", 7, {"prompt_tokens": None}, {"prompt_tokens": "x"}])
def test_usage_that_counts_nothing_is_no_event(usage: Any) -> None:
    assert decode({"choices": [], "usage": usage}) == []


def test_usage_comes_before_the_finish_of_its_chunk() -> None:
    got = decode(chunk({}, 0, "stop", usage=USAGE), b"[DONE]")
    assert got == [Usage(3, 5, details=USAGE), Finish(0, "stop"), END]


def test_what_the_provider_says_of_its_answer_is_kept_from_where_it_says_it() -> None:
    decoder = OpenAIDecoder(False)
    decoder.decode(None, sse({"id": "", "model": "", "choices": [], "prompt_filter_results": []}))
    assert decoder.meta == Meta()
    decoder.decode(None, sse(chunk({"content": "a"}, system_fingerprint="fp_1", created=1700000000.5)))
    decoder.decode(None, sse({**chunk({}, 0, "stop"), "model": "another", "service_tier": "default", "created": 7}))
    assert decoder.meta == Meta("chatcmpl-1", "gpt-4o", 1700000000, "fp_1", "default")


def test_a_guarded_answer_takes_only_names_that_cannot_hold_text() -> None:
    decoder = OpenAIDecoder(True)
    decoder.decode(None, sse({**chunk(), "id": "the answer is", "system_fingerprint": "x" * 129, "created": "now"}))
    assert decoder.meta == Meta(model="gpt-4o")
    unguarded = OpenAIDecoder(False)
    unguarded.decode(None, sse({**chunk(), "id": "x" * 1000, "model": "my model"}))
    assert unguarded.meta == Meta(model="my model", created=1700000000)


@pytest.mark.parametrize("data", [b"{", b"[7]", b'"text"', b"\xff", b"<html>", b"[DONE", b"[" * 5000])
def test_what_is_not_a_json_object_is_a_fault(data: bytes) -> None:
    for got in (decode(data, chunk({"content": "a"})), OpenAIDecoder(True).whole(data)):
        assert [type(e) for e in got] == [DecodeError]
        assert isinstance(got[0], DecodeError) and (got[0].status, got[0].kind) == (502, "malformed_event")


def test_empty_data_is_skipped() -> None:
    assert decode(b"", b"  ", b"\n", chunk({"content": "a"})) == [Text(0, "content", "a")]


@pytest.mark.parametrize("done", [b"[DONE]", b" [DONE] ", b"[DONE]\n"])
def test_done_is_the_natural_end_and_nothing_follows(done: bytes) -> None:
    got = decode(chunk({"content": "a"}, 0, "stop"), done, chunk({"content": "b"}, 1), done)
    assert got == [Text(0, "content", "a"), Finish(0, "stop"), END]


def test_done_finishes_the_choices_whose_server_gave_no_reason() -> None:
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    got = decode(chunk({"content": "a"}), chunk(call, 1), chunk({}, 2, "length"), b"[DONE]")
    assert got[2:] == [Finish(0, "stop"), Finish(1, "tool_calls"), Finish(2, "length"), END]


def test_the_end_of_the_bytes_is_natural_only_when_every_choice_has_finished() -> None:
    decoder = OpenAIDecoder(False)
    assert decoder.eof() == ()
    decoder.decode(None, sse(chunk({"content": "a"}, 0, "stop")))
    decoder.decode(None, sse(chunk({"content": "a"}, 1)))
    assert decoder.eof() == ()
    decoder.decode(None, sse(chunk({}, 1, "length")))
    assert decoder.eof() == [Finish(0, "stop"), Finish(1, "length"), END]
    assert decoder.eof() == ()


def test_an_error_ends_the_answer() -> None:
    error = {"error": {"message": "Too fast", "code": 429}, **chunk({"content": ""}, 0, "error")}
    assert decode(chunk({"content": "a"}), error, b"[DONE]") == [Text(0, "content", "a"), DecodeError("Too fast", 429)]
    decoder = OpenAIDecoder(True)
    assert decoder.decode("error", b'{"message":"Broken"}') == [DecodeError("Broken", 502)]
    assert decoder.eof() == decoder.whole(b"{}") == ()


def whole_answer() -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {
        "role": "assistant",
        "content": "hi",
        "refusal": None,
        "reasoning_content": "hm",
        "annotations": [{"a": 1}],
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [
            {"index": 0, "message": message, "logprobs": {"content": [{"token": "hi"}]}, "finish_reason": "stop"},
            {"index": 1, "message": {"content": None, "tool_calls": [call, call]}, "finish_reason": "tool_calls"},
        ],
        "usage": USAGE,
    }


def test_a_whole_answer_gives_the_events_of_a_stream() -> None:
    decoder = OpenAIDecoder(False)
    assert decoder.whole(sse(whole_answer())) == [
        Opaque(0, "choice", {"logprobs": {"content": [{"token": "hi"}]}}),
        Text(0, "reasoning", "hm"),
        Text(0, "content", "hi"),
        Attachment(0, "annotations", [{"a": 1}]),
        ToolCall(1, 0, "c", "f", '{"a":1}'),
        ToolCall(1, 1, "c", "f", '{"a":1}'),
        Usage(3, 5, details=USAGE),
        Finish(0, "stop"),
        Finish(1, "tool_calls"),
        END,
    ]
    assert decoder.meta.model == "gpt-4o"
    assert decoder.whole(b"{}") == decoder.decode(None, b"[DONE]") == ()


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": None}, {"choices": [7]}])
def test_a_whole_answer_without_choices_is_a_fault(body: Any) -> None:
    assert [type(e) for e in OpenAIDecoder(False).whole(sse(body))] == [DecodeError]


STREAM = [
    chunk({"role": "assistant", "content": "", "refusal": None}, obfuscation="x", service_tier="default"),
    chunk({"content": "ab"}),
    chunk({"reasoning": "hm", "reasoning_details": [{"index": 0, "text": "hm"}]}),
    chunk({"content": [{"type": "text", "text": "x"}, {"type": "thinking", "thinking": THOUGHT}]}, 1),
    chunk({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}, "extra_content": {"a": {"signature": "s"}}}]}),
    chunk({"tool_calls": [{"id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}}]}, 1),
    chunk({"function_call": {"name": "f", "arguments": "{}"}}, 1),
    chunk({"annotations": [{"type": "url_citation"}], "provider_specific_fields": {"a": 1}}, 1),
    chunk({}, 0, "stop", x_groq={"usage": USAGE}),
    chunk({}, 1, "tool_calls"),
    {"choices": [], "usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 1}}},
    {"error": {"message": "late", "type": "rate_limit", "code": None}},
    b"[DONE]",
]


@settings(deadline=None)
@given(damaged(STREAM), st.booleans())
def test_a_damaged_stream_never_raises_and_keeps_the_rules(events: list[bytes], guarded: bool) -> None:
    seen = fold(play(OpenAIDecoder(guarded), events))
    assert not (guarded and seen.opaque)


@settings(deadline=None)
@given(damaged([whole_answer()]), st.booleans())
def test_a_damaged_whole_answer_never_raises_and_keeps_the_rules(bodies: list[bytes], guarded: bool) -> None:
    for body in bodies:
        assert fold(OpenAIDecoder(guarded).whole(body)).end is not None


@settings(deadline=None)
@given(st.binary())
def test_arbitrary_bytes_never_raise(data: bytes) -> None:
    fold(
        play(
            OpenAIDecoder(False), [data, b'{"choices":[{"delta":{"content":' + json.dumps(str(data)).encode() + b"}}]}"]
        )
    )


def test_a_long_stream_is_decoded_in_time() -> None:
    decoder, data = OpenAIDecoder(True), sse(chunk({"content": "word"}))
    began = time.perf_counter()
    for _ in range(20_000):
        decoder.decode(None, data)
    assert time.perf_counter() - began < 2
