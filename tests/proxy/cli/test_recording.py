"""Recorded streams of the three providers to events."""

import json
from typing import Any

import pytest

from policies.events import End, Finish, Text
from proxy.cli.recording import Unplayable, decoded, looks_recorded
from proxy.providers.registry import PROVIDERS


def sse(*events: Any, named: bool = False) -> bytes:
    lines = [(f"event: {e['type']}\n" if named else "") + f"data: {json.dumps(e)}\n\n" for e in events]
    return "".join(lines).encode()


def chunk(text: str, reason: str | None = None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


def candidate(text: str, reason: str | None = None) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"parts": [{"text": text}]}, "finishReason": reason}]}


def block(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


ANTHROPIC = [
    {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    block("Hel"),
    block("lo"),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
RECORDED = {
    "openai": sse(chunk("Hel"), chunk("lo"), chunk("", "stop")) + b"data: [DONE]\n\n",
    "anthropic": sse(*ANTHROPIC, named=True),
    "gemini": sse(candidate("Hel"), candidate("lo", "STOP")),
}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("format", PROVIDERS)
def test_a_recording_is_read_in_its_format(format: str, named: bool) -> None:
    data = RECORDED[format]
    assert looks_recorded(data)
    events, failure = decoded(data, format if named else None, guarded=True)
    assert [e.text for e in events if isinstance(e, Text) and e.text] == ["Hel", "lo"]
    assert [e for e in events if isinstance(e, Finish)] == [Finish(0, "stop")]
    assert (events[-1], failure) == (End("natural"), None)


def test_a_recording_that_breaks_off_ends_as_a_death() -> None:
    events, failure = decoded(sse(*ANTHROPIC[:4], named=True), None, guarded=False)
    assert events[-1] == End("death") and failure is None


def test_a_providers_error_in_it_is_told() -> None:
    data = sse(ANTHROPIC[0], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    events, failure = decoded(data, None, guarded=False)
    assert events[-1] == End("death") and failure == "Overloaded"


def test_a_recording_of_no_known_format_is_refused() -> None:
    with pytest.raises(Unplayable, match="give it with --format"):
        decoded(b"data: not json\n\ndata: {}\n\n", None, guarded=False)


@pytest.mark.parametrize("text", [b"Hello", b"", b"{}", "資料: x".encode()])
def test_plain_text_is_no_recording(text: bytes) -> None:
    assert not looks_recorded(text)
