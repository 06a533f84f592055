"""Events of Anthropic's `v1/messages` stream, in the real format, and an answer that holds every kind of them."""

import json
from typing import Any

from proxy.formats.anthropic.decode import AnthropicDecoder
from tests.proxy.formats.folding import Seen, fold, play

START: dict[str, Any] = {
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
EVERYTHING: list[dict[str, Any]] = [
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
    """Return the client's state after an answer of these events."""
    return fold(play(AnthropicDecoder(guarded, **options), [START, *events]))
