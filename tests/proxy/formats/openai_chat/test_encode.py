"""The encoder's chunks as an OpenAI client reads them."""

import json
import time
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from policies.events import Attachment, End, Event, Finish, Opaque, Text, Tick, ToolCall, Usage
from proxy.errors import UpstreamError
from proxy.formats.base import Meta
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.formats.openai_chat.encode import ChunkEncoder, unknown, usage_object
from tests.proxy.formats.answers import USAGE, answers, chunks, datas, unnumbered, without_places
from tests.proxy.formats.folding import Seen, fold, play

A = Text(0, "content", "a")


def encoder(*, include_usage: bool = False) -> ChunkEncoder:
    return ChunkEncoder("chatcmpl-1", 1700000000, "gpt-4o", include_usage=include_usage)


def begun(*, include_usage: bool = False) -> ChunkEncoder:
    """An encoder whose choice 0 has its role already."""
    made = encoder(include_usage=include_usage)
    made.encode([A])
    return made


def deltas(stream: bytes) -> list[tuple[int, dict[str, Any]]]:
    return [(choice["index"], choice["delta"]) for chunk in chunks(stream) for choice in chunk["choices"]]


def test_chunks_are_what_openai_sends() -> None:
    head = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o",'
    tail = b'},"logprobs":null,"finish_reason":null}]}\n\n'
    assert (
        encoder().encode([A])
        == (head + b'"choices":[{"index":0,"delta":{"role":"assistant","content":""' + tail)
        + head
        + b'"choices":[{"index":0,"delta":{"content":"a"'
        + tail
    )


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("channel", ["content", "reasoning", "refusal"])
def test_the_prebuilt_chunk_is_the_first_texts(channel: Any, include_usage: bool) -> None:
    made = encoder(include_usage=include_usage)
    made.use(Meta(model='a "model"', service_tier="default", system_fingerprint="fp"))
    role, _, first = made.encode([Text(5, channel, "密\ud83d")]).partition(b"\n\n")
    assert made.encode([Text(5, channel, "密\ud83d")]) == first
    assert chunks(first)[0].get("usage", "absent") == (None if include_usage else "absent")
    assert chunks(role + b"\n\n")[0].get("usage", "absent") == (None if include_usage else "absent")


def test_the_role_comes_once_for_each_choice_in_a_chunk_of_its_own() -> None:
    events: list[Event] = [A, Finish(1, "stop"), ToolCall(2, 0, "c", "f", ""), Opaque(3, "delta", {"x": 1}), A]
    got = deltas(encoder().encode(events))
    assert [(index, delta) for index, delta in got if "role" in delta] == [
        (0, {"role": "assistant", "content": ""}),
        (1, {"role": "assistant", "content": ""}),
        (2, {"role": "assistant", "content": None}),
        (3, {"role": "assistant", "content": ""}),
    ]
    assert [index for index, delta in got if "role" not in delta] == [0, 1, 2, 0, 3]


def test_adjacent_texts_share_a_chunk_and_no_others_do() -> None:
    events: list[Event] = [
        *(A, Text(0, "content", ""), Text(0, "content", "b")),
        *(Text(1, "content", "c"), A, Text(0, "reasoning", "d"), A, Tick(1.0), Text(0, "content", "e")),
    ]
    got = [(index, delta) for index, delta in deltas(encoder().encode(events)) if "role" not in delta]
    assert got == [
        (0, {"content": "ab"}),
        (1, {"content": "c"}),
        (0, {"content": "a"}),
        (0, {"reasoning_content": "d"}),
        (0, {"content": "a"}),
        (0, {"content": "e"}),
    ]


@pytest.mark.parametrize("event", [Text(0, "content", ""), USAGE, Tick(1.0), End("natural")])
def test_what_a_client_does_not_see_makes_no_chunk(event: Event) -> None:
    made = encoder()
    assert made.encode([]) == made.encode([event]) == made.encode([event, event]) == b""


def test_a_tool_call_gives_its_identity_once() -> None:
    got = deltas(
        begun().encode([ToolCall(0, 1, "c", "f", "", extra={"x": 1, "id": "no"}), ToolCall(0, 1, arguments="{")])
    )
    first = {"index": 1, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}, "x": 1}
    assert got == [
        (0, {"tool_calls": [first]}),
        (0, {"tool_calls": [{"index": 1, "function": {"arguments": "{"}}]}),
    ]


def test_custom_and_legacy_calls_have_their_own_members() -> None:
    custom, legacy = ToolCall(0, 0, "c", "f", "x", "custom"), ToolCall(0, 1, "d", "g", "{", "function_call")
    assert [delta for _, delta in deltas(begun().encode([custom, legacy]))] == [
        {"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
        {"function_call": {"name": "g", "arguments": "{"}},
    ]


def test_a_finish_tells_which_policy_ended_the_choice() -> None:
    natural, _, stopped = chunks(begun().encode([Finish(0, "stop"), Finish(1, "length", "token_cap/short")]))
    assert natural["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert "x_sluice" not in natural
    assert stopped["choices"][0]["finish_reason"] == "length"
    assert stopped["x_sluice"] == {"stopped_by": "token_cap/short"}


def test_opaque_members_ride_on_the_next_chunk_of_their_place() -> None:
    logprobs = {"content": [{"token": "b"}]}
    events: list[Event] = [
        A,
        Opaque(None, "chunk", {"provider": "x"}),
        Opaque(0, "choice", {"logprobs": logprobs, "seed": 7}),
        Opaque(0, "delta", {"channel": "final"}),
        Text(1, "content", "c"),
        Text(0, "content", "b"),
    ]
    before, role, other, own = chunks(begun().encode(events))
    assert "provider" not in before and "provider" not in role and other["provider"] == "x" and "provider" not in own
    assert own["choices"] == [
        {
            "index": 0,
            "delta": {"channel": "final", "content": "b"},
            "logprobs": logprobs,
            "seed": 7,
            "finish_reason": None,
        }
    ]


def test_opaque_members_never_override_known_ones() -> None:
    evil = {
        *("id", "object", "created", "model", "choices", "usage", "x_sluice", "error", "service_tier"),
        *("system_fingerprint", "index", "delta", "finish_reason", "message", "role", "content", "refusal"),
        *("reasoning_content", "tool_calls", "function_call", "annotations", "images", "thinking_blocks"),
    }
    clean, changed = begun(), begun()
    for place in ("chunk", "choice", "delta"):
        fields = dict.fromkeys(evil | {f"own_{place}"}, "evil")
        (got,) = chunks(changed.encode([Opaque(None if place == "chunk" else 0, place, fields), A]))
        members = {"chunk": got, "choice": got["choices"][0], "delta": got["choices"][0]["delta"]}[place]
        assert members.pop(f"own_{place}") == "evil"
        for other in evil - KNOWN_AT[place]:
            assert members.pop(other) == "evil"
        assert [got] == chunks(clean.encode([A]))


KNOWN_AT = {
    "chunk": {
        *("id", "object", "created", "model", "choices", "usage", "x_sluice", "error"),
        *("service_tier", "system_fingerprint"),
    },
    "choice": {"index", "delta", "finish_reason", "message"},
    "delta": {
        *("role", "content", "refusal", "reasoning_content", "tool_calls", "function_call"),
        *("annotations", "images", "thinking_blocks"),
    },
}


def test_members_of_a_choice_go_out_with_the_batch_and_two_chunks_members_stay_apart() -> None:
    pieces = [Opaque(0, "delta", {"audio": {"data": data}}) for data in ("AA", "BB")]
    got = [delta for _, delta in deltas(begun().encode(pieces))]
    assert got == [{"audio": {"data": "AA"}}, {"audio": {"data": "BB"}}]


def test_members_of_a_chunk_alone_never_make_a_chunk_without_choices_in_mid_stream() -> None:
    made = encoder()
    assert made.encode([Opaque(None, "chunk", {"obfuscation": "x", "a": 1})]) == b""
    assert made.encode([Opaque(None, "chunk", {"obfuscation": "y"})]) == b""
    _, got = chunks(made.encode([A]))
    assert (got["obfuscation"], got["a"]) == ("y", 1)


def test_a_server_that_only_sends_members_does_not_fill_the_memory() -> None:
    made = encoder()
    sent = chunks(b"".join(made.encode([Opaque(None, "chunk", {f"m{n}": n})]) for n in range(1000)))
    assert 10 < len(sent) < 20
    _, rest = chunks(made.encode([A]))
    assert [chunk[name] for chunk in [*sent, rest] for name in chunk if name.startswith("m") and name != "model"] == [
        *range(1000)
    ]


def test_members_that_come_last_go_with_the_usage_or_alone_if_they_are_news() -> None:
    last = [Finish(0, "stop"), Opaque(None, "chunk", {"obfuscation": "y", "moderation": {"flagged": False}})]
    first = [Opaque(None, "chunk", {"obfuscation": "x"}), A]
    asked, unasked, nothing_new = encoder(include_usage=True), encoder(), encoder()
    for made in (asked, unasked):
        made.encode([*first, *last])
    nothing_new.encode([*first, Finish(0, "stop"), Opaque(None, "chunk", {"obfuscation": "y"})])
    (end,) = chunks(asked.done(USAGE))
    assert (end["obfuscation"], end["moderation"], end["choices"]) == ("y", {"flagged": False}, [])
    (end,) = chunks(unasked.done(USAGE))
    assert "obfuscation" not in end and "usage" not in end and end["moderation"] == {"flagged": False}
    assert nothing_new.done(USAGE) == b"data: [DONE]\n\n"


def test_the_usage_chunk_comes_only_when_asked_for_and_known() -> None:
    assert begun().done(USAGE) == begun(include_usage=True).done(None) == b"data: [DONE]\n\n"
    usage, done = datas(begun(include_usage=True).done(USAGE))
    assert done == b"[DONE]"
    assert json.loads(usage) == {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [],
        "usage": usage_object(USAGE),
    }


def test_the_usage_object_is_the_providers_with_our_counts() -> None:
    details = {"prompt_tokens": 1, "total_tokens": 1, "cost": 0.5, "prompt_tokens_details": {"audio_tokens": 0}}
    assert usage_object(Usage(3, 5, cached=1, reasoning=2, details=details)) == {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
        "cost": 0.5,
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert usage_object(Usage(3, 5, details={"completion_tokens_details": None}))["completion_tokens_details"] == {
        "reasoning_tokens": 0
    }


def test_an_error_is_openais_object_and_no_done() -> None:
    error = UpstreamError("It went away; try again.", code="died")
    assert chunks(begun().error(error)) == [
        {"error": {"message": "It went away; try again.", "type": "server_error", "param": None, "code": "died"}}
    ]
    assert b"[DONE]" not in begun().error(error)


def test_what_the_provider_says_of_its_answer_is_taken_over_but_its_id() -> None:
    made = begun()
    made.use(Meta("theirs", "gpt-4o-2024", 1700000007, "fp_1"))
    got = chunks(made.encode([A]) + made.encode([A]))
    made.use(Meta(service_tier="flex"))
    got += chunks(made.encode([A]))
    assert got[0] == got[1]
    assert {name: got[2][name] for name in ("id", "model", "created", "system_fingerprint", "service_tier")} == {
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024",
        "created": 1700000007,
        "system_fingerprint": "fp_1",
        "service_tier": "flex",
    }


def test_a_lone_surrogate_is_an_escape_and_a_pair_cut_in_two_joins_at_the_client() -> None:
    halves = Text(0, "content", "\ud83d"), Text(0, "content", "\ude00")
    made = begun()
    assert rb'"content":"\ud83d"' in made.encode(halves[:1])
    assert rb'"content":"\ud83d\ude00"' in made.encode(halves)
    assert deltas(made.encode(halves)) == [(0, {"content": "😀"})]


EVENTS: list[Event] = [
    *(Text(0, channel, 'x"\\\n密\ud83d') for channel in ("content", "reasoning", "refusal")),
    ToolCall(0, 0, "c", "f", '{"a":1}', extra={"provider_specific_fields": {"thought_signature": "s"}}),
    ToolCall(1, 0, "c", "f", "free text", "custom"),
    *(Attachment(0, name, [{"a": 1}]) for name in ("annotations", "images", "thinking_blocks")),
    Attachment(2, "provider_specific_fields", {"thought_signatures": ["s"]}),
    Opaque(None, "chunk", {"citations": ["u"]}),
    Opaque(0, "choice", {"logprobs": {"content": [{"token": "a"}]}}),
    Opaque(0, "choice", {"stop_reason": 7}),
    Opaque(0, "delta", {"reasoning_details": [{"text": "hm"}]}),
    *(Finish(0, reason) for reason in ("stop", "length", "tool_calls", "content_filter", "function_call")),
]


@pytest.mark.parametrize("event", EVENTS, ids=repr)
def test_each_event_survives_encoding_and_decoding(event: Event) -> None:
    made = encoder(include_usage=True)
    stream = made.encode([event]) + made.done(USAGE)
    got = unnumbered(play(OpenAIDecoder(False), datas(stream)))
    ends = (
        [Finish(event.choice, "tool_calls" if isinstance(event, ToolCall) else "stop")]
        if hasattr(event, "choice")
        else []
    )
    usage = Usage(3, 5, cached=1, reasoning=2, details=usage_object(USAGE))
    if isinstance(event, Finish):
        reason = "stop" if event.reason in ("tool_calls", "function_call") else event.reason  # there are no calls
        assert got == [usage, Finish(0, reason), End("natural")]
    else:
        assert got == [event, usage, *([] if event.choice is None else ends), End("natural")]


def test_list_entries_are_numbered_so_that_the_sdk_can_join_them() -> None:
    made = encoder()
    blocks = [{"type": "redacted_thinking", "data": "a"}, {"type": "redacted_thinking", "data": "b"}]
    stream = b"".join(made.encode([Attachment(0, "thinking_blocks", [block])]) for block in blocks)
    state = ChatCompletionStreamState()
    for chunk in chunks(stream + made.encode([Finish(0, "stop")])):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    message = state.get_final_completion().choices[0].message
    assert without_places(message.thinking_blocks) == blocks  # type: ignore[attr-defined]


def test_a_legacy_function_call_survives_encoding_and_decoding() -> None:
    events = [ToolCall(0, 0, "c", "f", "{", "function_call"), ToolCall(0, 0, arguments="}", kind="function_call")]
    first, more = play(OpenAIDecoder(False), datas(encoder().encode(events)))
    assert isinstance(first, ToolCall)
    assert (first.name, first.arguments, first.kind, more) == ("f", "{", "function_call", events[1])


def members(seen: Seen) -> dict[Any, list[Any]]:
    found = defaultdict(list)
    for opaque in seen.opaque:
        for name, value in unknown(opaque).items():
            key = opaque.choice, opaque.place, name
            found[key] = [value] if opaque.choice is None else [*found[key], value]
    return found


@settings(deadline=None)
@given(answers())
def test_an_answer_survives_encoding_and_decoding_in_any_batches(batches: list[list[Event]]) -> None:
    made = encoder(include_usage=True)
    stream = b"".join(made.encode(batch) for batch in batches) + made.done(USAGE)
    for chunk in chunks(stream):
        ChatCompletionChunk.model_validate(chunk)
    want = fold(event for batch in batches for event in batch)
    got = fold(unnumbered(play(OpenAIDecoder(False), datas(stream))))
    assert {key: text for key, text in want.text.items() if text} == _whole_characters(got.text)
    _as_read(want)
    assert (got.calls, got.attached, got.finish, got.end) == (want.calls, want.attached, want.finish, End("natural"))
    assert members(got) == members(want)


def _as_read(seen: Seen) -> None:
    """Calls, and nothing but calls, end with `tool_calls`, and there a call's arguments are an object at least."""
    called = {choice for choice, _ in seen.calls}
    for choice, reason in seen.finish.items():
        if reason in ("stop", "tool_calls", "function_call"):
            seen.finish[choice] = "tool_calls" if choice in called else "stop"
    for (choice, _), call in seen.calls.items():
        if seen.finish[choice] == "tool_calls" and not call.arguments.strip():
            call.arguments += "{}"


def _whole_characters(texts: Any) -> dict[Any, str]:
    """A surrogate pair whose halves shared a chunk was read as its character; take it apart again."""
    return {
        key: "".join(
            f"{chr(0xD800 + (ord(c) - 0x10000 >> 10))}{chr(0xDC00 + (ord(c) & 0x3FF))}" if c == "😀" else c
            for c in text
        )
        for key, text in texts.items()
    }


def test_a_long_stream_is_encoded_in_time() -> None:
    made = begun()
    began = time.perf_counter()
    for _ in range(50_000):
        made.encode([A])
    assert time.perf_counter() - began < 2
