"""Gemini's generateContent and streamGenerateContent.

As on the real wire, lines end in CR LF and a blank follows colons. `usageMetadata` comes with every chunk and grows.
Function calls come complete. Reasoning comes as parts with `thought`.
"""

from collections.abc import Mapping
from json import JSONEncoder
from typing import Any

from proxy.simulator.answers import Answer, tokens_in
from proxy.simulator.asks import Ask, Refused, ToolSpec
from proxy.simulator.formats.base import PLACEHOLDER, SPACED, Telling, Terms, encode, require, text_in
from proxy.simulator.formats.gemini_request import camel_keys, check, generation
from proxy.simulator.formats.jsonvalue import as_object
from proxy.simulator.pieces import Piece, pieces_of

_STYLE = JSONEncoder(ensure_ascii=False, separators=(",", ": "))
_FINISH = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Gemini:
    """POST /v1beta/models/{model}:streamGenerateContent?alt=sse and :generateContent."""

    stream_type = "text/event-stream"

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        key = headers.get("x-goog-api-key") or query.get("key", "")
        require(
            key.strip(),
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API.",
            status=401,
        )
        require(key != "bad-key", "Request had invalid authentication credentials. Give any other key.", status=401)
        if key == "invalid-key":
            raise Refused(400, "API key not valid. Please pass a valid API key.", kind="API_KEY_INVALID")

    def read(self, body: Any, path: str, query: Mapping[str, str]) -> Ask:
        model, _, verb = path.rpartition("/")[2].rpartition(":")
        stream = verb == "streamGenerateContent"
        require(not stream or query.get("alt") == "sse", "The simulator streams server-sent events only: add ?alt=sse")
        check(body)
        body = camel_keys(body)
        contents = body["contents"]
        users = [turn for turn in contents if turn.get("role", "user") != "model"]
        said = [body.get("systemInstruction"), *contents]
        calling = camel_keys(camel_keys(body.get("toolConfig") or {}).get("functionCallingConfig") or {})
        allowed = calling.get("allowedFunctionNames") or []
        settings = generation(body)
        return Ask(
            provider="gemini",
            model=model,
            stream=stream,
            prompt=_text(users[-1]) if users else "",
            prompt_tokens=sum(tokens_in(_text(turn)) for turn in said if turn),
            choices=settings.get("candidateCount") or 1,
            tools=tuple(_tools(body)),
            tool_choice=allowed[0] if len(allowed) == 1 else _mode(calling),
            forced=len(allowed) == 1,
            tool_results=_results(contents[-1]),
            schema=_schema(settings),
            max_tokens=settings.get("maxOutputTokens"),
            thinks=bool(camel_keys(settings.get("thinkingConfig") or {}).get("includeThoughts")),
        )

    def stream(self, answer: Answer, terms: Terms) -> Telling:
        pieces = pieces_of(answer, terms.choices, whole_calls=True)
        chunks: list[bytes] = []
        said, thought = 0, 0
        for piece in pieces:
            said += 0 if piece.channel == "reasoning" else len(piece.text)
            thought += len(piece.text) if piece.channel == "reasoning" else 0
            candidate = _candidate(piece.choice, [_part(piece, answer)])
            usage = _usage(terms, min(-(-said // 4), _visible(terms)), min(-(-thought // 4), terms.tokens.reasoning))
            chunks.append(_event(_response(terms, answer, [candidate], usage)))
        ends = [_candidate(choice, [{"text": ""}], _reason(answer)) for choice in range(terms.choices)]
        final = _usage(terms, _visible(terms), terms.tokens.reasoning)
        closing = b"".join(_event(_response(terms, answer, [end], final)) for end in ends)
        return Telling(opening=b"", chunks=tuple(chunks), closing=closing, pieces=pieces)

    def whole(self, answer: Answer, terms: Terms) -> bytes:
        candidates = []
        for choice in range(terms.choices):
            parts: list[dict[str, Any]] = [{"text": answer.reasoning, "thought": True}] if answer.reasoning else []
            parts += [{"text": text} for text in (answer.text_of(choice), answer.refusal) if text]
            parts += [_call(index, answer) for index in range(len(answer.tools))]
            candidates.append(_candidate(choice, parts, _reason(answer)))
        usage = _usage(terms, _visible(terms), terms.tokens.reasoning)
        return encode(_response(terms, answer, candidates, usage), _STYLE)

    def error(self, refused: Refused, retry_after: int | None = None) -> bytes:
        return encode(_error(refused, retry_after), _STYLE)

    def error_event(self, refused: Refused) -> bytes:
        return _event(_error(refused, None))

    def malformed(self) -> bytes:
        return b'data: {"candidates": [{"content": {"parts": [{"text": "hal\r\n\r\n'

    def headers(self, stamp: str) -> dict[str, str]:
        return {"vary": "Origin", "server": "scaffolding on HTTPServer2", "x-gemini-service-tier": "standard"}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + encode(data, _STYLE) + b"\r\n\r\n"


def _response(terms: Terms, answer: Answer, candidates: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"candidates": candidates}
    if answer.tells_usage:
        response["usageMetadata"] = usage
    return response | {"modelVersion": terms.model, "responseId": PLACEHOLDER}


def _candidate(choice: int, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    reason = {"finishReason": finish} if finish else {}
    return {"content": {"parts": parts, "role": "model"}, **reason, "index": choice}


def _part(piece: Piece, answer: Answer) -> dict[str, Any]:
    match piece.channel:
        case "reasoning":
            return {"text": piece.text, "thought": True}
        case "tool":
            return _call(piece.tool, answer)
    return {"text": piece.text}


def _call(index: int, answer: Answer) -> dict[str, Any]:
    """Build a function call. After thoughts, the first one is signed, as by the models that reason."""
    call = answer.tools[index]
    part: dict[str, Any] = {"functionCall": {"name": call.name, "args": as_object(call.arguments)}}
    return part | ({"thoughtSignature": "c2ltdWxhdG9y"} if answer.reasoning and index == 0 else {})


def _reason(answer: Answer) -> str:
    return "SAFETY" if answer.refusal and not answer.finish else _FINISH.get(answer.finish_reason, "STOP")


def _visible(terms: Terms) -> int:
    return terms.tokens.completion - terms.tokens.reasoning


def _usage(terms: Terms, said: int, thought: int) -> dict[str, Any]:
    prompt = terms.tokens.prompt
    usage: dict[str, Any] = {"promptTokenCount": prompt, "candidatesTokenCount": said}
    usage |= {"totalTokenCount": prompt + said + thought}
    usage |= {"cachedContentTokenCount": terms.tokens.cached} if terms.tokens.cached else {}
    usage |= {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}]}
    return usage | ({"thoughtsTokenCount": thought} if thought else {})


def _error(refused: Refused, retry_after: int | None) -> dict[str, Any]:
    status = _STATUSES.get(refused.status, "UNKNOWN")
    error: dict[str, Any] = {"code": refused.status, "message": refused.message, "status": status}
    details: list[dict[str, Any]] = []
    if refused.kind:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refused.kind, "domain": "googleapis.com"}
        details.append(info)
    if retry_after is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after}s"})
    return {"error": error | ({"details": details} if details else {})}


def _mode(calling: dict[str, Any]) -> str:
    return {"ANY": "required", "NONE": "none"}.get(str(calling.get("mode", "AUTO")).upper(), "auto")


def _tools(body: dict[str, Any]) -> list[ToolSpec]:
    found = []
    for tool in body.get("tools") or []:
        for declared in camel_keys(tool).get("functionDeclarations") or []:
            function = camel_keys(declared)
            schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
            found.append(ToolSpec(function["name"], schema))
    return found


def _results(turn: dict[str, Any]) -> tuple[str, ...]:
    parts = [camel_keys(part) for part in turn["parts"]]
    answers = [part["functionResponse"].get("response") for part in parts if "functionResponse" in part]
    return tuple(encode(answer, SPACED).decode() for answer in answers)


def _text(turn: dict[str, Any]) -> str:
    return text_in(turn.get("parts"))


def _schema(settings: dict[str, Any]) -> Mapping[str, Any] | None:
    if settings.get("responseMimeType") != "application/json":
        return None
    return settings.get("responseJsonSchema") or settings.get("responseSchema") or {}
