"""The joined answer, and that it says what a client of the stream would know."""

import contextlib
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from policies.events import ATTACHMENTS, Attachment, End, Event, Finish, Opaque, Text, Tick, ToolCall, Usage
from proxy.errors import AnswerTooLarge
from proxy.formats.base import Meta
from proxy.formats.openai_chat.completion import CompletionAccumulator
from proxy.formats.openai_chat.encode import ChunkEncoder, usage_object
from tests.proxy.formats.answers import USAGE, answers, chunks, without_places


def join(*events: Event) -> dict[str, Any]:
    joiner = CompletionAccumulator("chatcmpl-1", 1700000000, "gpt-4o")
    joiner.add(events)
    return told(joiner)


def told(joiner: CompletionAccumulator, usage: Usage | None = USAGE) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(b"".join(joiner.result(usage)))
    return answer


def message(*events: Event) -> dict[str, Any]:
    return join(*events)["choices"][0]["message"]


def test_a_whole_answer_is_what_openai_gives() -> None:
    events = [Text(0, "content", "Hel"), USAGE, Tick(1.0), Text(0, "content", "lo"), Finish(0, "stop"), End("natural")]
    assert join(*events) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage_object(USAGE),
    }
    assert told(CompletionAccumulator("x", 1, "m"), None)["usage"] is None


def test_each_channel_has_its_member() -> None:
    got = message(
        Text(0, "reasoning", "hm"), Text(0, "refusal", "no"), Text(0, "content", ""), Text(0, "reasoning", "m")
    )
    assert got == {"role": "assistant", "content": None, "refusal": "no", "reasoning_content": "hmm"}
    assert "reasoning_content" not in message(Text(0, "reasoning", ""))


def test_choices_are_sorted() -> None:
    got = join(Text(2, "content", "c"), Text(0, "content", "a"), Finish(2, "length"), Text(2, "content", ""))
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in got["choices"]] == [
        (0, "a", None),
        (2, "c", "length"),
    ]


def test_tool_calls_are_joined_and_sorted() -> None:
    got = message(
        ToolCall(0, 1, "d", "g", "[", "custom"),
        ToolCall(0, 0, "c", "f", "{", extra={"provider_specific_fields": {"a": 1}, "id": "no"}),
        ToolCall(0, 1, arguments="]", kind="custom"),
        ToolCall(0, 0, arguments="}", extra={"provider_specific_fields": {"b": 2}}),
    )
    assert got["content"] is None
    assert got["tool_calls"] == [
        {
            "id": "c",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "provider_specific_fields": {"a": 1, "b": 2},
        },
        {"id": "d", "type": "custom", "custom": {"name": "g", "input": "[]"}},
    ]


def test_a_legacy_function_call_is_a_member_of_its_own() -> None:
    got = message(ToolCall(0, 0, "c", "f", "{", "function_call"), ToolCall(0, 0, None, None, "}", "function_call"))
    assert got["function_call"] == {"name": "f", "arguments": "{}"}
    assert "tool_calls" not in got


def test_attachments_are_joined() -> None:
    got = message(
        Attachment(0, "annotations", [{"a": 1}]),
        Attachment(0, "annotations", [{"b": 2}]),
        Attachment(0, "provider_specific_fields", {"thought_signatures": ["s"], "x": 1}),
        Attachment(0, "provider_specific_fields", {"thought_signatures": ["t"], "y": 2}),
    )
    assert got["annotations"] == [{"a": 1}, {"b": 2}]
    assert got["provider_specific_fields"] == {"thought_signatures": ["s", "t"], "x": 1, "y": 2}


def test_logprobs_of_all_chunks_are_joined() -> None:
    pieces = [{"content": [{"token": token}], "refusal": None} for token in "ab"]
    got = join(*(Opaque(0, "choice", {"logprobs": piece}) for piece in pieces))
    assert got["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["th", "ree"], "three"),
        (["analysis", "analysis"], "analysis"),
        ([1, 2], 2),
        ([["a"], ["b", "c"]], ["a", "b", "c"]),
        ([{"data": "AA", "n": 1}, {"data": "BB", "n": 2}], {"data": "AABB", "n": 2}),
        ([1, "a", [2]], [2]),
        ([None, 3, None], 3),
        ([None, None], None),
    ],
)
def test_unknown_members_are_folded_by_their_type(pieces: list[Any], whole: Any) -> None:
    got = join(*(Opaque(0, place, {"x": piece}) for piece in pieces for place in ("delta", "choice")))
    assert got["choices"][0]["message"]["x"] == whole
    assert got["choices"][0]["x"] == whole


def test_of_the_chunks_members_the_last_count_and_padding_is_left_out() -> None:
    got = join(*(Opaque(None, "chunk", {"citations": [n], "obfuscation": "x"}) for n in (1, 2)))
    assert got["citations"] == [2]
    assert "obfuscation" not in got


def test_unknown_members_never_override_known_ones() -> None:
    evil = dict.fromkeys(["id", "model", "choices", "usage", "x_sluice", "index", "message", "content", "role"], "evil")
    got = join(
        Text(0, "content", "a"),
        Opaque(None, "chunk", {k: v for k, v in evil.items() if k != "content"}),
        Opaque(0, "choice", {"index": 7, "message": {}, "finish_reason": "x"}),
        Opaque(0, "delta", {"content": "evil", "role": "evil", "tool_calls": []}),
    )
    assert (got["id"], got["model"], got["usage"]) == ("chatcmpl-1", "gpt-4o", usage_object(USAGE))
    assert "x_sluice" not in got
    assert got["choices"] == join(Text(0, "content", "a"))["choices"]


def test_the_policy_that_stopped_a_choice_is_named() -> None:
    got = join(Finish(0, "stop"), Finish(1, "length", "token_cap/short"))
    assert got["x_sluice"] == {"stopped_by": "token_cap/short"}


def test_what_the_provider_says_of_its_answer_is_taken_over_but_its_id() -> None:
    joiner = CompletionAccumulator("chatcmpl-1", 1, "gpt-4o")
    joiner.use(Meta("theirs", "gpt-4o-2024", 7, "fp", "flex"))
    got = told(joiner, None)
    assert (got["id"], got["model"], got["created"]) == ("chatcmpl-1", "gpt-4o-2024", 7)
    assert (got["system_fingerprint"], got["service_tier"]) == ("fp", "flex")


def both(batches: list[list[Event]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The chunks that the encoder makes, and what the joiner makes as the client reads it."""
    encoder = ChunkEncoder("chatcmpl-1", 1, "m", include_usage=True)
    joiner = CompletionAccumulator("chatcmpl-1", 1, "m")
    stream = b""
    for batch in batches:
        stream += encoder.encode(batch)
        joiner.add(batch)
    return chunks(stream + encoder.done(USAGE)), told(joiner)


def accumulate(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A client's plain way to put chunks together: texts and lists grow, anything else is replaced."""
    whole: dict[str, Any] = {"choices": {}}
    for part in parts:
        for choice in part.pop("choices"):
            grow(whole["choices"].setdefault(choice["index"], {}), choice)
        whole.update(part)
    whole["choices"] = [choice for _, choice in sorted(whole["choices"].items())]
    return whole


def grow(whole: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        old = whole.get(name)
        if name == "tool_calls":
            for call in value:
                grow(whole.setdefault(name, {}).setdefault(call["index"], {}), call)
        elif isinstance(value, dict) and isinstance(old, dict):
            grow(old, value)
        elif isinstance(value, list) and isinstance(old, list):
            whole[name] = old + value
        elif isinstance(value, str) and isinstance(old, str) and name != "type":
            whole[name] = surrogates(old + value)
        elif value is not None or old is None:
            whole[name] = value


def surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@settings(deadline=None)
@given(answers())
def test_the_joined_answer_is_the_accumulated_stream(batches: list[list[Event]]) -> None:
    parts, joined = both(batches)
    streamed = accumulate(parts)
    assert joined.pop("object") == "chat.completion"
    assert streamed.pop("object") == "chat.completion.chunk"
    for choice in streamed["choices"]:
        for name in ATTACHMENTS & choice["delta"].keys():
            choice["delta"][name] = without_places(choice["delta"][name])
        choice["message"] = {"content": None, "refusal": None} | choice.pop("delta")
        if calls := choice["message"].pop("tool_calls", None):
            choice["message"]["tool_calls"] = [
                {k: v for k, v in c.items() if k != "index"} for _, c in sorted(calls.items())
            ]
    stopped_by = [streamed.pop("x_sluice", None), joined.pop("x_sluice", None)]
    assert (stopped_by[0] is None) == (stopped_by[1] is None)
    assert streamed == joined


@settings(deadline=None)
@given(answers(plain=True))
def test_the_sdk_accumulates_the_stream_to_the_joined_answer(batches: list[list[Event]]) -> None:
    parts, joined = both(batches)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for part in parts:
        state.handle_chunk(ChatCompletionChunk.model_validate(part))
    got = state.current_completion_snapshot
    want = ChatCompletion.model_validate(joined)
    assert got.usage == want.usage
    for ours, theirs in zip(want.choices, got.choices, strict=True):
        assert (theirs.finish_reason, theirs.logprobs) == (ours.finish_reason, ours.logprobs)
        for name in ("role", "content", "refusal", "reasoning_content"):
            assert surrogates(getattr(theirs.message, name, None) or "") == (getattr(ours.message, name, None) or "")
        calls = [
            (c.id, c.type, c.function.name, surrogates(c.function.arguments)) for c in theirs.message.tool_calls or []
        ]
        assert calls == [
            (c.id, c.type, c.function.name, c.function.arguments)
            for c in ours.message.tool_calls or []
            if c.type == "function"
        ]


# ---- what it may cost
KINDS: dict[str, Event] = {
    "texts": Text(0, "content", "x" * 1000),
    "letters": Text(0, "content", "x"),
    "characters of six bytes": Text(0, "reasoning", "\x01"),
    "arguments": ToolCall(0, 0, arguments="x" * 1000),
    "lists": Attachment(0, "annotations", [{"a": "x" * 1000}]),
    "labels": Opaque(0, "delta", {"x": "y" * 1000}),
    "objects": Opaque(0, "choice", {"x": {"y": ["z" * 100]}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_refused_at_its_bound(kind: str) -> None:
    joiner, most = CompletionAccumulator("x", 1, "m", most=200_000), 200_000
    with pytest.raises(AnswerTooLarge, match="max_answer_mb"):
        for _ in range(most):
            joiner.add([KINDS[kind]])


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Text(n, "content", ""),
        lambda n: ToolCall(0, n, "", ""),
        lambda n: Opaque(None, "chunk", {f"m{n}": 1}),
        lambda n: Opaque(0, "delta", {f"m{n}": None}),
        lambda n: Opaque(0, "choice", {"m": {f"m{n}": None}}),
    ],
)
def test_things_without_text_are_counted_too(make: Callable[[int], Event]) -> None:
    joiner = CompletionAccumulator("x", 1, "m", most=100_000)
    with pytest.raises(AnswerTooLarge):
        for number in range(1000):
            joiner.add([make(number)])


@pytest.mark.parametrize("kind", [*KINDS, "numbers"])
def test_an_answer_takes_what_it_counts(kind: str) -> None:
    """The size of the pieces does not matter, and neither does their size as Python objects."""
    event = KINDS.get(kind, Opaque(0, "choice", {"logprobs": {"content": [{"bytes": [1, 2, 3, 4]}]}}))
    joiner, most = CompletionAccumulator("x", 1, "m", most=2_000_000), 2_000_000
    tracemalloc.start()
    with contextlib.suppress(AnswerTooLarge):
        for _ in range(most):
            if joiner._left < 10_000:
                break
            joiner.add([event])
    held, _ = tracemalloc.get_traced_memory()
    sum(map(len, joiner.result(None)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.2 * most and peak < 1.2 * most + 100_000
