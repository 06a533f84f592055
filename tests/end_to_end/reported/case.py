"""A reported case, and the bytes that providers send in them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Case:
    """One reported case.

    - `source` is the report's address after https://github.com/, empty for a case similar to a reported one.
    - `body` is the provider's response, with `status` and `kind` (the content type).
    - `want` are members of the client's result: see `test_reported.Got`.
    - `sent` checks the request that the provider received.
    - `asked` are further members of the client's request.
    """

    name: str
    source: str
    body: bytes
    want: Mapping[str, Any] = field(default_factory=dict)
    api: str = "openai"
    status: int = 200
    kind: str = "text/event-stream"
    asked: Mapping[str, Any] = field(default_factory=dict)
    sent: Callable[[Any], bool] | None = None


def event(value: Any, name: str = "") -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: %b\n\n" % data


def chunk(delta: Any = None, reason: Any = None, **choice: Any) -> bytes:
    return event({"id": "c1", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason, **choice}]})


def bare(**choice: Any) -> bytes:
    """A chunk whose choice has these members alone."""
    return event({"id": "c1", "choices": [choice]})


def piece(index: Any = 0, id: str | None = None, name: str | None = None, arguments: str | None = None) -> Any:
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    return {"index": index, **({"id": id, "type": "function"} if id else {}), "function": function}


def calls(*pieces: Any, reason: str = "tool_calls") -> bytes:
    return b"".join(chunk({"tool_calls": [one]}) for one in pieces) + chunk({}, reason) + DONE


def claude(*events: Mapping[str, Any], stop: bool = True) -> bytes:
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}}
    all_ = [start, *events, *([{"type": "message_stop"}] if stop else [])]
    return b"".join(event(one, one["type"]) for one in all_)


def said(text: str) -> tuple[Mapping[str, Any], ...]:
    return (
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
    )


def ended(reason: str = "end_turn") -> Mapping[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}}


def gemini(*parts: Any, reason: str | None = "STOP", **members: Any) -> bytes:
    candidate = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
    return event({"candidates": [{**candidate, **({"finishReason": reason} if reason else {})}], **members})


DONE: Final = b"data: [DONE]\n\n"
A, B, STOP = chunk({"role": "assistant", "content": "Once "}), chunk({"content": "upon"}), chunk({}, "stop")
WHOLE: Final = {"text": "Once upon", "finish": "stop", "done": True}
SAID: Final = {"text": "Once upon", "done": True}
WEATHER: Final = [("weather", '{"city":"Oslo"}')]
BROKE: Final = {"done": False, "says": "the disk is full"}
FULL: Final = {"message": "the disk is full"}
TOOL: Final = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
USER: Final = {"role": "user", "content": "hello"}
