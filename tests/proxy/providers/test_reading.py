"""Templates decode a native answer's bytes as if each event were parsed whole."""

import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.events import Text
from proxy.formats import sse
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import Decoded, DecodeError, Decoder
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.providers.answer import NativeAnswer
from proxy.turns import Turns
from tests.proxy.providers.calls import call

RESPONSE: Any = SimpleNamespace()
DECODERS: dict[str, Callable[[bool], Decoder]] = {
    "openai": OpenAIDecoder,
    "anthropic": AnthropicDecoder,
    "gemini": lambda guarded: GeminiDecoder(guarded, ids=lambda: "call_1"),
}


def answer(decoder: Decoder) -> NativeAnswer:
    return NativeAnswer(RESPONSE, RESPONSE, decoder, call("openai"), Turns(), streamed=True)


def parsed(decoder: Decoder, data: bytes) -> list[Decoded]:
    return [event for record in sse.Parser().feed(data) for event in decoder.decode(*record)]


def delta(index: int, reason: str | None = None, **members: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": index, "delta": members, "finish_reason": reason}]}


def block(kind: str, index: int, **members: Any) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": index, **members}


def part(**members: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [members]}, "index": 0}]}


def grounded(upto: int) -> dict[str, Any]:
    support = {"segment": {"endIndex": upto}, "groundingChunkIndices": [0]}
    sources = [{"web": {"uri": "https://example.com", "title": "t"}}]
    return {"groundingMetadata": {"groundingChunks": sources, "groundingSupports": [support]}}


CITATION = {"type": "web_search_result_location", "url": "https://example.com", "title": "t"}
TEXTS = st.lists(st.text(alphabet='aé臺🙂"\\\n\r', max_size=4), min_size=1, max_size=5)
INDEX = st.sampled_from([0, 1])
Events = list[dict[str, Any]]


def run(said: Callable[..., dict[str, Any]], *more: st.SearchStrategy[Any]) -> st.SearchStrategy[Events]:
    """Generate several events in a row that differ in their texts."""
    return st.builds(lambda texts, *rest: [said(text, *rest) for text in texts], TEXTS, *more)


def one(event: dict[str, Any]) -> st.SearchStrategy[Events]:
    return st.just([event])


def text_block(text: str, index: int) -> dict[str, Any]:
    return block("delta", index, delta={"type": "text_delta", "text": text})


def thinking_block(text: str, index: int) -> dict[str, Any]:
    return block("delta", index, delta={"type": "thinking_delta", "thinking": text})


def whole_block(kind: str, deltas: Events, last: dict[str, Any]) -> Events:
    return [block("start", 0, content_block={"type": kind, kind: ""}), *deltas, last, block("stop", 0)]


CITED = block("delta", 0, delta={"type": "citations_delta", "citation": CITATION})
SIGNED = block("delta", 0, delta={"type": "signature_delta", "signature": "s"})
RUNS: dict[str, st.SearchStrategy[Events]] = {
    "openai": st.one_of(
        run(lambda text, index: delta(index, content=text), INDEX),
        run(lambda text, pad: {**delta(0, content=text), "obfuscation": pad}, st.sampled_from(["", "a", "Zz9"])),
        run(lambda text: delta(0, reasoning_content=text)),
        run(lambda text: delta(0, refusal=text, text=text)),
        run(lambda text: {**delta(0, content=text), "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
        run(lambda text: {**delta(0, content=text), "unknown": [1]}),
        one(delta(0, "stop")),
        one(delta(1, "stop")),
        one(delta(0, tool_calls=[{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}])),
        one({"error": {"message": "broken"}}),
    ),
    "anthropic": st.one_of(
        run(text_block, INDEX),
        run(thinking_block, INDEX),
        st.builds(whole_block, st.just("text"), run(text_block, st.just(0)), st.just(CITED)),
        st.builds(whole_block, st.just("thinking"), run(thinking_block, st.just(0)), st.just(SIGNED)),
        st.builds(lambda i: [block("start", i, content_block={"type": "text", "text": ""})], INDEX),
        st.builds(lambda i: [block("stop", i)], INDEX),
        one({"type": "ping"}),
        one({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
    ),
    "gemini": st.one_of(
        run(lambda text: part(text=text)),
        run(lambda text: part(text=text, thought=True)),
        run(lambda text: {**part(text=text), "usageMetadata": {"candidatesTokenCount": len(text)}}),
        one({"candidates": [{"finishReason": "STOP", "index": 0}]}),
        st.builds(lambda upto: [{"candidates": [{**grounded(upto), "index": 0}]}], st.integers(0, 12)),
    ),
}
STREAMS = {
    name: st.lists(runs, max_size=12).map(lambda runs: [event for events in runs for event in events])
    for name, runs in RUNS.items()
}


def framed(event: dict[str, Any], named: bool, line: str) -> bytes:
    """Encode one server-sent event with or without a name, with lines ended by `line`."""
    text = (f"event: x{line}" if named else "") + f"data: {json.dumps(event, ensure_ascii=False)}{line}{line}"
    return text.encode()


@pytest.mark.parametrize("provider", STREAMS)
@given(data=st.data(), guarded=st.booleans(), named=st.booleans(), line=st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_say_the_same_as_if_each_were_parsed_whole(
    provider: str, data: st.DataObject, guarded: bool, named: bool, line: str
) -> None:
    reads = [framed(event, named, line) for event in data.draw(STREAMS[provider])]
    quick, plain = answer(DECODERS[provider](guarded)), DECODERS[provider](guarded)
    got = [list(quick._events(read)) for read in reads]
    if line != "\r":  # there, an event's end is known with the next one's begin alone
        assert got == [parsed(plain, read) for read in reads]
    else:
        assert flat([*got, quick._events(b"")])[: len(flat(got))] == flat([parsed(plain, read) for read in reads])


@pytest.mark.parametrize("provider", STREAMS)
@given(data=st.data(), line=st.sampled_from(["\n", "\r\n"]))
def test_events_say_the_same_however_the_bytes_are_cut(provider: str, data: st.DataObject, line: str) -> None:
    whole = b"".join(framed(event, False, line) for event in data.draw(STREAMS[provider]))
    ends = [0, *(match + 2 * len(line) for match in _ends(whole, line.encode() * 2)), len(whole)]
    near = st.sampled_from(ends).map(lambda end: min(end, len(whole)))
    cuts = sorted(data.draw(st.lists(st.one_of(near, st.integers(0, len(whole))), max_size=40)))
    quick, plain = answer(DECODERS[provider](True)), DECODERS[provider](True)
    reads = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True) if end > start]
    assert flat([quick._events(read) for read in reads]) == parsed(plain, whole)


def _ends(whole: bytes, mark: bytes) -> list[int]:
    return [at for at in range(len(whole)) if whole.startswith(mark, at)]


def flat(batches: Sequence[Sequence[Decoded]]) -> list[Decoded]:
    return [event for batch in batches for event in batch]


def test_an_event_in_two_reads_is_not_taken_for_one_that_is_like_its_second_half() -> None:
    running = answer(OpenAIDecoder(True))
    for text in "abc":
        running._events(framed(delta(0, content=text), False, "\n"))
    events = [*running._events(b'data: {"broken":\n'), *running._events(framed(delta(0, content="d"), False, "\n"))]
    assert [type(event) for event in events] == [DecodeError]


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("openai", lambda text: delta(0, content=text)),
        ("openai", lambda text: delta(0, reasoning_content=text)),
        ("anthropic", lambda text: text_block(text, 0)),
        ("anthropic", lambda text: thinking_block(text, 0)),
        ("gemini", lambda text: part(text=text)),
    ],
)
def test_most_events_of_a_usual_stream_are_not_parsed(provider: str, said: Callable[[str], dict[str, Any]]) -> None:
    decoder = DECODERS[provider](True)
    running, decoded = answer(decoder), 0

    def counted(event: str | None, data: bytes) -> Sequence[Decoded]:
        nonlocal decoded
        decoded += 1
        return original(event, data)

    original, running._decoder.decode = running._decoder.decode, counted  # type: ignore[method-assign]
    for event in [block("start", 0, content_block={"type": "text", "text": ""})] if provider == "anthropic" else []:
        running._events(framed(event, False, "\n"))
    for number in range(100):
        events = running._events(framed(said(f"word {number} "), False, "\n"))
        assert [event.text for event in events if type(event) is Text] == [f"word {number} "]
    assert decoded < 5
