"""Anthropic's Messages API.

Events, their names, padding and pings are those of the real API. There is one choice. Each text is a content block of
its own. A thinking block is signed, so that a changed one is detected when a client returns it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.simulator.answers import Answer, tokens_in
from proxy.simulator.asks import Ask, Refused, ToolSpec
from proxy.simulator.formats.anthropic_request import check, signature
from proxy.simulator.formats.base import PLACEHOLDER, Telling, Terms, encode, require, text_in
from proxy.simulator.formats.jsonvalue import as_object
from proxy.simulator.pieces import Piece, pieces_of

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Anthropic:
    """POST /v1/messages."""

    stream_type = "text/event-stream; charset=utf-8"

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        require(headers.get("x-api-key", "").strip(), "x-api-key header is required", status=401)
        require(headers["x-api-key"] != "bad-key", "invalid x-api-key", status=401)
        require(headers.get("anthropic-version"), "anthropic-version: header is required")

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        check(body)
        last = body["messages"][-1]
        choice = body.get("tool_choice") or {"type": "auto"}
        results = [block for block in _blocks(last["content"]) if block["type"] == "tool_result"]
        said = [body.get("system"), *(message["content"] for message in body["messages"])]
        return Ask(
            provider="anthropic",
            model=body["model"],
            stream=bool(body.get("stream")),
            prompt=next((text_in(m["content"]) for m in reversed(body["messages"]) if m["role"] == "user"), ""),
            prompt_tokens=sum(tokens_in(text_in(text)) for text in said),
            tools=tuple(ToolSpec(t["name"], t["input_schema"]) for t in body.get("tools") or [] if "input_schema" in t),
            tool_choice={"any": "required", "tool": choice.get("name")}.get(choice["type"]) or choice["type"],
            forced=choice["type"] == "tool",
            parallel=not choice.get("disable_parallel_tool_use"),
            tool_results=tuple(text_in(block.get("content")) for block in results),
            schema=_schema(body),
            max_tokens=body["max_tokens"],
            thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        )

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        pieces = pieces_of(answer, 1)
        start = {"type": "message_start", "message": _message(terms, answer, [], None)}
        delta = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
        end: dict[str, Any] = {"type": "message_delta", "delta": delta}
        if answer.tells_usage:
            end["usage"] = _usage(terms, terms.tokens.completion)
        return Telling(
            opening=_event(start, 0),
            chunks=tuple(_chunks(pieces, answer)),
            closing=_event(end, 1) + _event({"type": "message_stop"}, 2),
            pieces=pieces,
        )

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        blocks: list[dict[str, Any]] = []
        if answer.reasoning:
            blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": signature(answer.reasoning)})
        blocks += [{"type": "text", "text": text} for text in (answer.text_of(0), answer.refusal) if text]
        for index, call in enumerate(answer.tools):
            blocks.append(_tool_block(index, call.name) | {"input": as_object(call.arguments)})
        return encode(_message(terms, answer, blocks, _stop_reason(answer)))

    def error(self, refused: Refused, retry_after: int | None = None) -> bytes:
        return encode(_error(refused))

    def error_event(self, refused: Refused) -> bytes:
        return _event(_error(refused), 0)

    def malformed(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_de\n\n'

    def headers(self, stamp: str) -> dict[str, str]:
        return {"request-id": f"req_{stamp}", "anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}


def _event(data: dict[str, Any], at: int) -> bytes:
    """Encode one event, padded with a few blanks as in the real API."""
    text = encode(data)
    return b"event: %s\ndata: %s%s}\n\n" % (data["type"].encode(), text[:-1], b" " * (at * 7 % 16))


def _chunks(pieces: tuple[Piece, ...], answer: Answer) -> Iterator[bytes]:
    """Yield one entry for each piece. Block starts, signatures and block stops go with the piece before or
    after them.
    """
    block, opened, pinged = -1, False, False
    for at, piece in enumerate(pieces):
        told = b""
        if not opened:
            block += 1
            opened = True
            told += _event({"type": "content_block_start", "index": block, "content_block": _block(piece, answer)}, at)
            told += b"" if pinged else _PING
            pinged = True
        told += _event({"type": "content_block_delta", "index": block, "delta": _delta(piece)}, at)
        if piece.closes:
            if piece.channel == "reasoning":
                signed = {"type": "signature_delta", "signature": signature(answer.reasoning)}
                told += _event({"type": "content_block_delta", "index": block, "delta": signed}, at + 1)
            told += _event({"type": "content_block_stop", "index": block}, at)
            opened = False
        yield told


def _block(piece: Piece, answer: Answer) -> dict[str, Any]:
    match piece.channel:
        case "reasoning":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool":
            return _tool_block(piece.tool, answer.tools[piece.tool].name)
    return {"type": "text", "text": ""}


def _tool_block(index: int, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{index:02}{PLACEHOLDER}", "name": name, "input": {}}


def _delta(piece: Piece) -> dict[str, Any]:
    match piece.channel:
        case "reasoning":
            return {"type": "thinking_delta", "thinking": piece.text}
        case "tool":
            return {"type": "input_json_delta", "partial_json": piece.text}
    return {"type": "text_delta", "text": piece.text}


def _message(terms: Terms, answer: Answer, blocks: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {
        "model": terms.model,
        "id": f"msg_{PLACEHOLDER}",
        "type": "message",
        "role": "assistant",
        "content": blocks,
        "stop_reason": stop_reason,
        "stop_sequence": None,
    }
    if answer.tells_usage:
        message["usage"] = _usage(terms, terms.tokens.completion if stop_reason else 1) | {"service_tier": "standard"}
    return message


def _stop_reason(answer: Answer) -> str:
    if answer.refusal and not answer.finish:
        return "refusal"
    return _STOP_REASONS.get(answer.finish_reason, "end_turn")


def _usage(terms: Terms, output: int) -> dict[str, int]:
    """Build usage. Input tokens exclude the cached ones, as Anthropic counts."""
    return {
        "input_tokens": terms.tokens.prompt - terms.tokens.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": terms.tokens.cached,
        "output_tokens": output,
    }


def _error(refused: Refused) -> dict[str, Any]:
    kind = refused.kind or _ERROR_TYPES.get(refused.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": refused.message}, "request_id": f"req_{PLACEHOLDER}"}


def _blocks(content: Any) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else []


def _schema(body: dict[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("output_format") or (body.get("output_config") or {}).get("format")
    match wanted:
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
    return None
