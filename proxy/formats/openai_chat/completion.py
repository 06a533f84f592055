"""Policy events joined into the `chat.completion` object of a whole answer.

Rule: the joined answer says what a client that accumulates the stream's chunks would know. It is held as the JSON text
that it will be, so that its size is what it takes in memory; beyond its bound it is refused. Members that we don't know
are folded by their type (`proxy.formats.folding`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from policies.events import Attachment, Event, Finish, Opaque, Text, ToolCall, Usage
from proxy.errors import AnswerTooLarge
from proxy.formats.base import Meta
from proxy.formats.folding import OVERHEAD, Folded, Parts, escaped, listed, written
from proxy.formats.jsontext import dumps
from proxy.formats.openai_chat.encode import TEXT_MEMBERS, adopt, call_extra, top, unknown, usage_object

_STREAM_ONLY = frozenset({"obfuscation"})
"""Members of a chunk that say nothing of a whole answer: padding against eavesdroppers who count bytes."""

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer where nobody says another bound."""


@dataclass(slots=True)
class _Call:
    kind: str
    id: str | None = None
    name: str | None = None
    arguments: bytearray = field(default_factory=bytearray)
    extra: Folded = field(default_factory=Folded)


@dataclass(slots=True)
class Choice:
    """What there is of one choice. Texts are JSON text without quotes."""

    texts: dict[str, bytearray] = field(default_factory=dict)
    calls: dict[int, _Call] = field(default_factory=dict)
    message: Folded = field(default_factory=Folded)
    members: Folded = field(default_factory=Folded)
    reason: str | None = None
    by: str | None = None


class CompletionAccumulator:
    """One whole answer in the making, of at most `most` bytes."""

    kind = "chat.completion"
    """The answer's `object`."""

    def __init__(self, id: str, created: int, model: str, most: int = MAX_ANSWER) -> None:
        self.meta = Meta(id=id, model=model, created=created)
        self._choices: dict[int, Choice] = {}
        self._members: dict[str, bytes] = {}
        self._left = most

    def use(self, meta: Meta) -> None:
        """Take over what the provider says of its answer, but its id."""
        adopt(self.meta, meta)

    def add(self, events: Iterable[Event]) -> None:
        """Take what came out of the chain. Raises `AnswerTooLarge`."""
        for event in events:
            match event:
                case Text(choice, channel, text):
                    self._text(choice, channel, text)
                case ToolCall():
                    self._call(event)
                case Finish(choice, reason, by):
                    ended = self._choice(choice)
                    ended.reason, ended.by = reason, by
                case Attachment(choice, name, value):
                    self._grow(self._choice(choice).message.add({name: value}))
                case Opaque():
                    self._opaque(event)

    @property
    def stopped_by(self) -> str | None:
        """The policy that stopped a choice, if one did."""
        return next((choice.by for _, choice in sorted(self._choices.items()) if choice.by is not None), None)

    def result(self, usage: Usage | None) -> Parts:
        """The `chat.completion` object."""
        by = self.stopped_by
        completion: dict[str, Parts] = {name: [dumps(value)] for name, value in top(self.meta, self.kind).items()}
        completion |= {name: [value] for name, value in self._members.items()}
        completion["choices"] = listed(self.entry(*choice) for choice in sorted(self._choices.items()))
        completion["usage"] = [dumps(None if usage is None else usage_object(usage))]
        if by is not None:
            completion["x_sluice"] = [dumps({"stopped_by": by})]
        return written(completion)

    def entry(self, index: int, choice: Choice) -> Parts:
        """One of the answer's `choices`."""
        entry: dict[str, Parts] = {
            "index": [dumps(index)],
            "message": written(_message(choice)),
            "logprobs": [b"null"],
        }
        entry |= choice.members.members()
        entry["finish_reason"] = [dumps(choice.reason)]
        return written(entry)

    def _grow(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            self._choices.clear()
            raise AnswerTooLarge

    def _choice(self, index: int) -> Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = Choice()
            self._grow(2 * OVERHEAD)
        return choice

    def _text(self, choice: int, channel: str, text: str) -> None:
        texts = self._choice(choice).texts
        if channel not in texts:
            texts[channel] = bytearray()
        piece = escaped(text)
        texts[channel] += piece
        self._grow(len(piece))

    def _call(self, piece: ToolCall) -> None:
        calls = self._choice(piece.choice).calls
        call = calls.get(piece.index)
        if call is None:
            call = calls[piece.index] = _Call(piece.kind, piece.id, piece.name)
            self._grow(OVERHEAD + len(piece.id or "") + len(piece.name or ""))
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        arguments = escaped(piece.arguments)
        call.arguments += arguments
        self._grow(len(arguments) + (call.extra.add(call_extra(piece)) if piece.extra else 0))

    def _opaque(self, opaque: Opaque) -> None:
        fields = unknown(opaque)
        if opaque.choice is None:
            for name, value in fields.items():
                if name not in _STREAM_ONLY:
                    before = len(self._members[name]) if name in self._members else -OVERHEAD - len(name)
                    self._members[name] = dumps(value)
                    self._grow(len(self._members[name]) - before)
        elif opaque.place == "delta":
            self._grow(self._choice(opaque.choice).message.add(fields))
        else:
            self._grow(self._choice(opaque.choice).members.add(fields))


def _message(choice: Choice) -> dict[str, Parts]:
    message: dict[str, Parts] = {"role": [b'"assistant"'], "content": [b"null"], "refusal": [b"null"]}
    for channel, text in choice.texts.items():
        if text:
            message[TEXT_MEMBERS[channel]] = [b'"', text, b'"']
    message |= choice.message.members()
    tools = [_tool(call) for _, call in sorted(choice.calls.items()) if call.kind != "function_call"]
    if tools:
        message["tool_calls"] = listed(tools)
    for call in choice.calls.values():
        if call.kind == "function_call":
            message["function_call"] = _body(call, "arguments")
    return message


def _tool(call: _Call) -> Parts:
    body = _body(call, "input" if call.kind == "custom" else "arguments")
    tool: dict[str, Parts] = {"id": [dumps(call.id)], "type": [dumps(call.kind)], call.kind: body}
    return written(tool | call.extra.members())


def _body(call: _Call, text: str) -> Parts:
    return written({"name": [dumps(call.name)], text: [b'"', call.arguments, b'"']})
