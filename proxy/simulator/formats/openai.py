"""OpenAI's Chat Completions API.

The chunk's members, their order and the places of `null` are those of the real API. `reasoning_content` is spelled as
by OpenAI-format servers of reasoning models.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.simulator.answers import Answer, tokens_in
from proxy.simulator.asks import Ask, Refused, ToolSpec
from proxy.simulator.formats.base import PLACEHOLDER, Telling, Terms, encode, require, text_in
from proxy.simulator.formats.openai_request import check
from proxy.simulator.pieces import Piece, pieces_of

_ID = f"chatcmpl-{PLACEHOLDER}"
_FINGERPRINT = "fp_5141a7ed00"
_FIELDS = {"reasoning": "reasoning_content", "content": "content", "refusal": "refusal"}
_LOGGED = ("content", "refusal")
_ERROR_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAI:
    """POST /v1/chat/completions."""

    stream_type = "text/event-stream; charset=utf-8"

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        require(
            scheme.lower() == "bearer" and key.strip(),
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )
        require(key.strip() != "bad-key", "Incorrect API key provided: bad-***. Give any other key.", status=401)

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        check(body)
        last = body["messages"][-1]
        forced, choice = _tool_choice(body.get("tool_choice"))
        return Ask(
            provider="openai",
            model=body["model"],
            stream=bool(body.get("stream")),
            prompt=next((text_in(m.get("content")) for m in reversed(body["messages"]) if m["role"] == "user"), ""),
            prompt_tokens=sum(tokens_in(text_in(m.get("content"))) for m in body["messages"]),
            choices=body.get("n") or 1,
            tools=tuple(_tools(body.get("tools") or [])),
            tool_choice=choice,
            forced=forced,
            parallel=body.get("parallel_tool_calls") is not False,
            tool_results=_results(body["messages"]) if last["role"] == "tool" else (),
            schema=_schema(body.get("response_format")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            logprobs=bool(body.get("logprobs")),
        )

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        usage = terms.include_usage and answer.tells_usage
        pieces = pieces_of(answer, terms.choices)
        prose = bool(answer.text or not answer.tools)

        def chunk(choices: list[dict[str, Any]], **usage_member: Any) -> bytes:
            return b"data: " + encode(_envelope("chat.completion.chunk", terms, choices) | usage_member) + b"\n\n"

        def delta(choice: int, delta: dict[str, Any], finish: str | None = None, logprobs: Any = None) -> bytes:
            told = {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
            return chunk([told], **({"usage": None} if usage else {}))

        def told(piece: Piece) -> bytes:
            tokens = _logprobs(**{piece.channel: [piece.text]}) if terms.logprobs and piece.channel in _LOGGED else None
            return delta(piece.choice, _delta(piece, answer), logprobs=tokens)

        role = {"role": "assistant", "content": "" if prose else None, "refusal": None}
        closing = b"".join(delta(choice, {}, answer.finish_reason) for choice in range(terms.choices))
        if usage:
            closing += chunk([], usage=usage_of(terms))
        return Telling(
            opening=b"".join(delta(choice, role) for choice in range(terms.choices)),
            chunks=tuple(map(told, pieces)),
            closing=closing + b"data: [DONE]\n\n",
            pieces=pieces,
        )

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        choices = [_whole_choice(answer, choice, terms.logprobs) for choice in range(terms.choices)]
        usage = {"usage": usage_of(terms)} if answer.tells_usage else {}
        return encode(_envelope("chat.completion", terms, choices) | usage)

    def error(self, refused: Refused, retry_after: int | None = None) -> bytes:
        return encode(_error(refused))

    def error_event(self, refused: Refused) -> bytes:
        return b"data: " + encode(_error(refused)) + b"\n\n"

    def malformed(self) -> bytes:
        return b'data: {"id":"chatcmpl-' + b'broken","choices":[{"index":0,"delta":{"content":"hal\n\n'

    def headers(self, stamp: str) -> dict[str, str]:
        return {"x-request-id": f"req_{stamp}", "openai-version": "2020-10-01", "openai-processing-ms": "7"}


def _envelope(kind: str, terms: Terms, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": _ID,
        "object": kind,
        "created": terms.now,
        "model": terms.model,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
        "choices": choices,
    }


def _delta(piece: Piece, answer: Answer) -> dict[str, Any]:
    if piece.channel != "tool":
        return {_FIELDS[piece.channel]: piece.text}
    function: dict[str, Any] = {"arguments": piece.text}
    call: dict[str, Any] = {"index": piece.tool}
    if piece.opens:
        call |= {"id": _call_id(piece.choice, piece.tool), "type": "function"}
        function = {"name": answer.tools[piece.tool].name} | function
    return {"tool_calls": [call | {"function": function}]}


def _whole_choice(answer: Answer, choice: int, logprobs: bool) -> dict[str, Any]:
    text = answer.text_of(choice)
    message: dict[str, Any] = {"role": "assistant", "content": text if text or not answer.tools else None}
    message["refusal"] = answer.refusal or None
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tools:
        message["tool_calls"] = [
            {
                "id": _call_id(choice, index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(answer.tools)
        ]
    tokens = _logprobs([text], [answer.refusal]) if logprobs else None
    return {"index": choice, "message": message, "logprobs": tokens, "finish_reason": answer.finish_reason}


def _logprobs(content: Sequence[str] = (), refusal: Sequence[str] = ()) -> dict[str, Any]:
    """Build logprobs, with each piece as one token."""
    lists = {"content": content, "refusal": refusal}
    return {name: [_logged(text) for text in texts if text] or None for name, texts in lists.items()}


def _logged(token: str) -> dict[str, Any]:
    spelled = list(token.encode(errors="surrogatepass"))
    return {"token": token, "logprob": -0.01, "bytes": spelled, "top_logprobs": []}


def _call_id(choice: int, index: int) -> str:
    return f"call_{choice}{index}{PLACEHOLDER}"


def usage_of(terms: Terms) -> dict[str, Any]:
    """The usage object of an answer."""
    tokens = terms.tokens
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "total_tokens": tokens.prompt + tokens.completion,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _error(refused: Refused) -> dict[str, Any]:
    server = refused.status >= 500
    kind, code = _ERROR_TYPES.get(refused.status, ("server_error" if server else "invalid_request_error", None))
    return {
        "error": {
            "message": refused.message,
            "type": kind,
            "param": refused.param,
            "code": refused.kind or code,
        }
    }


def _tools(tools: list[dict[str, Any]]) -> list[ToolSpec]:
    functions = [tool["function"] for tool in tools if tool["type"] == "function"]
    return [ToolSpec(function["name"], function.get("parameters") or {}) for function in functions]


def _tool_choice(choice: Any) -> tuple[bool, str]:
    match choice:
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return True, name
        case str():
            return False, choice
    return False, "auto"


def _results(messages: list[dict[str, Any]]) -> tuple[str, ...]:
    results: list[str] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.append(text_in(message.get("content")))
    return tuple(reversed(results))


def _schema(response_format: Any) -> Mapping[str, Any] | None:
    match response_format:
        case {"type": "json_object"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
    return None
