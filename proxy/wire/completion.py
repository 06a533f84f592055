"""Policy events joined into the `chat.completion` object of a whole answer.

Rule: the joined answer says what a client that accumulates the stream's chunks would know. Members that we don't know
are folded by their JSON type: texts and lists are joined, objects member by member, of anything else the last counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.events import Attachment, Event, Finish, Opaque, Text, ToolCall, Usage
from proxy.wire.base import Meta
from proxy.wire.chunks import TEXT_MEMBERS, adopt, call_extra, top, unknown, usage_object

_STREAM_ONLY = frozenset({"obfuscation"})
"""Members of a chunk that say nothing of a whole answer: padding against eavesdroppers who count bytes."""


@dataclass(slots=True)
class _Call:
    kind: str
    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)
    extra: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Choice:
    texts: dict[str, list[str]] = field(default_factory=dict)
    calls: dict[int, _Call] = field(default_factory=dict)
    message: list[Mapping[str, Any]] = field(default_factory=list)
    members: list[Mapping[str, Any]] = field(default_factory=list)
    reason: str | None = None
    by: str | None = None


class Joiner:
    """One whole answer in the making. It holds all of it: the caller bounds how much it adds."""

    def __init__(self, id: str, created: int, model: str) -> None:
        self.meta = Meta(id=id, model=model, created=created)
        self._choices: dict[int, _Choice] = {}
        self._members: dict[str, Any] = {}

    def use(self, meta: Meta) -> None:
        """Take over what the provider says of its answer, but its id."""
        adopt(self.meta, meta)

    def add(self, events: Iterable[Event]) -> None:
        """Take what came out of the chain."""
        for event in events:
            match event:
                case Text(choice, channel, text):
                    self._choice(choice).texts.setdefault(channel, []).append(text)
                case ToolCall():
                    self._call(event)
                case Finish(choice, reason, by):
                    ended = self._choice(choice)
                    ended.reason, ended.by = reason, by
                case Attachment(choice, name, value):
                    self._choice(choice).message.append({name: value})
                case Opaque():
                    self._opaque(event)

    def result(self, usage: Usage | None) -> dict[str, Any]:
        """The `chat.completion` object."""
        choices = sorted(self._choices.items())
        completion = {
            **top(self.meta, "chat.completion"),
            **self._members,
            "choices": [_entry(index, choice) for index, choice in choices],
            "usage": None if usage is None else usage_object(usage),
        }
        by = next((choice.by for _, choice in choices if choice.by is not None), None)
        return completion if by is None else {**completion, "x_sluice": {"stopped_by": by}}

    def _choice(self, index: int) -> _Choice:
        return self._choices.setdefault(index, _Choice())

    def _call(self, piece: ToolCall) -> None:
        call = self._choice(piece.choice).calls.setdefault(piece.index, _Call(piece.kind))
        call.id = call.id or piece.id
        call.name = call.name or piece.name
        call.arguments.append(piece.arguments)
        if piece.extra:
            call.extra.append(call_extra(piece))

    def _opaque(self, opaque: Opaque) -> None:
        fields = unknown(opaque)
        if opaque.choice is None:
            self._members.update((name, value) for name, value in fields.items() if name not in _STREAM_ONLY)
        elif opaque.place == "delta":
            self._choice(opaque.choice).message.append(fields)
        else:
            self._choice(opaque.choice).members.append(fields)


def _entry(index: int, choice: _Choice) -> dict[str, Any]:
    return {
        "index": index,
        "message": _message(choice),
        "logprobs": None,
        **_fold(choice.members),
        "finish_reason": choice.reason,
    }


def _message(choice: _Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for channel, pieces in choice.texts.items():
        message[TEXT_MEMBERS[channel]] = "".join(pieces) or None
    if not message.get("reasoning_content", True):
        del message["reasoning_content"]
    message |= _fold(choice.message)
    tools = [_tool(call) for _, call in sorted(choice.calls.items()) if call.kind != "function_call"]
    if tools:
        message["tool_calls"] = tools
    for call in choice.calls.values():
        if call.kind == "function_call":
            message["function_call"] = {"name": call.name, "arguments": "".join(call.arguments)}
    return message


def _tool(call: _Call) -> dict[str, Any]:
    text = "input" if call.kind == "custom" else "arguments"
    body = {"name": call.name, text: "".join(call.arguments)}
    return {"id": call.id, "type": call.kind, call.kind: body, **_fold(call.extra)}


def _fold(pieces: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Objects of the same place, made one."""
    found: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, value in piece.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    empty = {name: None for piece in pieces for name in piece if name not in found}
    return {name: _join(values) for name, values in found.items()} | empty


def _join(values: list[Any]) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return values[0] if len(set(values)) == 1 else "".join(values)  # a label that is sent again with each chunk
    if kinds == {list}:
        return [item for value in values for item in value]
    if kinds == {dict}:
        return _fold(values)
    return values[-1]
