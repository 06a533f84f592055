"""Redaction of a request: the text of its messages, before the provider gets it.

Text is everything written by a person, a tool or the model: string contents, text parts, refusals, thoughts, tool
calls' arguments (as JSON), the predicted answer. The rest of the body passes unchanged. A thinking block with a match
is left out, because it is signed and a changed one would be rejected. The given body is never changed, only a copy. All
work is done in steps, because a client decides the number of characters of a body.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from policies.redact.json_text import JsonStream
from policies.redact.pseudonyms import Pseudonyms
from policies.redact.redactor import Redactor
from policies.redact.stream import Stream
from policies.redact.walk import Place, Walk, places, redacted
from policies.steps import Steps
from policies.texts import CONVERSATION, Texts

MAX_IN_STEP: Final = 128
"""Approximate number of characters taken in one step. Each text counts as some more."""
TEXT_WORK: Final = 16
"""Cost in characters of a text, besides its own characters."""
_TEXTS: Final = ("text", "refusal", "thinking", "reasoning_content")


class Blocked(Exception):
    """A block rule matched in the request."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class RequestText:
    """One request's redaction. `found` counts the matches of each rule."""

    def __init__(self, redactor: Redactor, pseudonyms: Pseudonyms) -> None:
        self._redactor = redactor
        self._pseudonyms = pseudonyms
        self.found: Counter[str] = Counter()

    def body(self, body: Mapping[str, Any], texts: Texts = CONVERSATION) -> Steps[dict[str, Any]]:
        """Return the body with its `texts` redacted. Raises `Blocked`."""
        out = dict(body)
        done = 0
        for holder, key, json in places(_asked(out, texts)):
            text = holder[key]
            stream = (self._redactor.json_stream if json else self._redactor.stream)(self._pseudonyms)
            holder[key] = yield from redacted(stream, text, partial(self._count, stream))
            done += min(len(text), MAX_IN_STEP) + TEXT_WORK
            if done >= MAX_IN_STEP:
                done = 0
                yield
        return out

    def _count(self, stream: Stream | JsonStream) -> None:
        for match in stream.matches:
            self.found[match.rule] += 1
        stream.matches.clear()
        if stream.blocked is not None:
            raise Blocked(stream.blocked)


def _asked(body: dict[str, Any], texts: Texts) -> Walk:
    for name in texts.conversation:
        if isinstance(body.get(name), list):
            yield _conversation(body, name)
    for name in texts.content:
        if isinstance(body.get(name), Mapping):
            body[name] = copied = dict(body[name])
            yield _content(copied)
    for name in texts.plain:
        yield _plain(body, name)


def _conversation(body: dict[str, Any], name: str) -> Walk:
    body[name] = messages = [*body[name]]
    for index, message in enumerate(messages):
        if isinstance(message, Mapping):
            messages[index] = copied = dict(message)
            yield _message(copied)


def _plain(body: dict[str, Any], name: str) -> Walk:
    value = body.get(name)
    if isinstance(value, str):
        yield Place(body, name)
    elif isinstance(value, list):
        body[name] = texts = [*value]
        for index, text in enumerate(texts):
            if isinstance(text, str):
                yield Place(texts, index)


def _message(message: dict[str, Any]) -> Walk:
    yield from _part(message)
    if isinstance(message.get("thinking_blocks"), list):
        yield _thinking_blocks(message)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = calls = [*calls]
        for index, call in enumerate(calls):
            if isinstance(call, Mapping):
                calls[index] = copied = dict(call)
                yield _call(copied)
    if "function_call" in message:
        yield from _member(message, "function_call", "arguments", json=True)


def _thinking_blocks(message: dict[str, Any]) -> Walk:
    kept = []
    for block in message["thinking_blocks"]:
        copied = dict(block) if isinstance(block, Mapping) else {}
        if isinstance(copied.get("thinking"), str):
            yield Place(copied, "thinking")
            if copied["thinking"] != block["thinking"]:
                continue
        kept.append(block)
    message["thinking_blocks"] = kept


def _part(part: dict[str, Any]) -> Walk:
    yield _content(part)
    for key in _TEXTS:
        if isinstance(part.get(key), str):
            yield Place(part, key)


def _content(holder: dict[str, Any]) -> Walk:
    content = holder.get("content")
    if isinstance(content, str):
        yield Place(holder, "content")
    elif isinstance(content, list):
        holder["content"] = parts = [*content]
        for index, part in enumerate(parts):
            if isinstance(part, str):
                yield Place(parts, index)
            elif isinstance(part, Mapping):
                parts[index] = copied = dict(part)
                yield _part(copied)


def _call(call: dict[str, Any]) -> Walk:
    yield from _member(call, "function", "arguments", json=True)
    yield from _member(call, "custom", "input")


def _member(holder: dict[str, Any], name: str, key: str, *, json: bool = False) -> Walk:
    """Yield the text `key` of the object `name`."""
    member = holder.get(name)
    if isinstance(member, Mapping) and isinstance(member.get(key), str):
        holder[name] = copied = dict(member)
        yield Place(copied, key, json)


def prefill_of(body: Mapping[str, Any], texts: Texts = CONVERSATION) -> str:
    """Return the text that the answer continues: that of a final assistant message, or of a prompt."""
    if texts.continued:
        prompt = body.get(texts.continued)
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        return prompt if isinstance(prompt, str) and not body.get(texts.echo) else ""
    messages = next(iter(texts.conversations(body)), None)
    last = messages[-1] if messages else None
    if not isinstance(last, Mapping) or last.get("role") != "assistant":
        return ""
    content = last.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(p["text"] for p in parts if isinstance(p, Mapping) and isinstance(p.get("text"), str))
