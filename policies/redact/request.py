"""Redaction of a request: the text of its messages, before the provider sees it.

Rule: what a person or a tool wrote is text: string contents, text parts, refusals, tool calls' arguments (as JSON).
Everything else of the body passes as it is. The body given is never changed; a copy is.
"""

from collections.abc import Mapping
from typing import Any

from policies.redact.json_text import JsonStream
from policies.redact.pseudonyms import Pseudonyms
from policies.redact.redactor import Redactor
from policies.redact.stream import Match, Stream

_TEXTS = ("text", "refusal", "thinking", "reasoning_content")


class Blocked(Exception):
    """A block rule matched in the request."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class RequestText:
    """One request's redaction; `matches` are what was found, in no message's coordinates but its own text's."""

    def __init__(self, redactor: Redactor, pseudonyms: Pseudonyms) -> None:
        self._redactor = redactor
        self._pseudonyms = pseudonyms
        self.matches: list[Match] = []

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with its messages redacted. Raises `Blocked`."""
        messages = body.get("messages")
        if not isinstance(messages, list):
            return dict(body)
        return {**body, "messages": [self._message(m) if isinstance(m, Mapping) else m for m in messages]}

    def _message(self, message: Mapping[str, Any]) -> dict[str, Any]:
        out = dict(message)
        if "content" in out:
            out["content"] = self._content(out["content"])
        for key in _TEXTS:
            if isinstance(out.get(key), str):
                out[key] = self._text(out[key])
        calls = out.get("tool_calls")
        if isinstance(calls, list):
            out["tool_calls"] = [self._call(call) for call in calls]
        if "function_call" in out:
            out["function_call"] = self._function(out["function_call"])
        return out

    def _content(self, content: Any) -> Any:
        if isinstance(content, str):
            return self._text(content)
        if not isinstance(content, list):
            return content
        return [self._part(part) for part in content]

    def _part(self, part: Any) -> Any:
        if isinstance(part, str):
            return self._text(part)
        if not isinstance(part, Mapping):
            return part
        changed = {key: self._text(part[key]) for key in _TEXTS if isinstance(part.get(key), str)}
        nested = {"content": self._content(part["content"])} if "content" in part else {}
        return {**part, **changed, **nested}

    def _call(self, call: Any) -> Any:
        if not isinstance(call, Mapping):
            return call
        out = {**call, "function": self._function(call["function"])} if "function" in call else dict(call)
        custom = out.get("custom")
        if isinstance(custom, Mapping) and isinstance(custom.get("input"), str):
            out["custom"] = {**custom, "input": self._text(custom["input"])}
        return out

    def _function(self, function: Any) -> Any:
        if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
            return function
        stream = self._redactor.json_stream(self._pseudonyms)
        return {**function, "arguments": self._whole(stream, function["arguments"])}

    def _text(self, text: str) -> str:
        return self._whole(self._redactor.stream(self._pseudonyms), text)

    def _whole(self, stream: Stream | JsonStream, text: str) -> str:
        out = stream.feed(text) + stream.close()
        self.matches.extend(stream.matches)
        if stream.blocked is not None:
            raise Blocked(stream.blocked)
        return out


def texts_of(value: Any) -> str:
    """All text anywhere in a request's body."""
    if isinstance(value, str):
        return value + "\n"
    if isinstance(value, Mapping):
        return "".join(map(texts_of, value.values()))
    return "".join(map(texts_of, value)) if isinstance(value, list | tuple) else ""


def prefill_of(body: Mapping[str, Any]) -> str:
    """The text that the answer goes on from: that of a trailing assistant message."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, Mapping) or last.get("role") != "assistant":
        return ""
    content = last.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(p["text"] for p in parts if isinstance(p, Mapping) and isinstance(p.get("text"), str))
