"""The tool calls of one choice: which call a piece belongs to.

OpenAI numbers the pieces; some servers don't, count from 1, send every call whole, repeat id and name with each piece,
or leave the id out. Rule: whatever they do, calls are counted from 0 in the order of their first pieces, and id and
name come once, with the first piece.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from policies.events import ToolCall
from proxy.wire import guard
from proxy.wire.fields import Unreadable, obj, string
from proxy.wire.jsontext import dumps

MAX_INDEX = 127
"""The largest index of a choice and of a tool call: OpenAI's own limits are 128 of either."""

_Kind: TypeAlias = Literal["function", "custom", "function_call"]
_MEMBERS = frozenset({"index", "id", "type", "function", "custom"})


@dataclass(slots=True)
class _Call:
    index: int
    kind: _Kind
    begun: bool = False


@dataclass(slots=True)
class Calls:
    """What was seen of the tool calls of choice `choice`. `_calls` is keyed by the provider's index."""

    choice: int
    guarded: bool
    _calls: dict[int, _Call] = field(default_factory=dict)
    _by_id: dict[str, _Call] = field(default_factory=dict)
    _last: _Call | None = None

    def __bool__(self) -> bool:
        return bool(self._calls)

    def tools(self, pieces: Any, *, whole: bool) -> Iterator[ToolCall]:
        """The pieces of a `tool_calls` list; in a `whole` answer each is a call. Raises Unreadable."""
        if not isinstance(pieces, list):
            return
        for position, piece in enumerate(pieces):
            if isinstance(piece, dict):
                call = self._at(position, piece) if whole else self._find(piece)
                yield from self._piece(call, piece, piece.get(call.kind))

    def legacy(self, piece: Any) -> Iterator[ToolCall]:
        """A piece of `function_call`."""
        if isinstance(piece, dict):
            call = next((c for c in self._calls.values() if c.kind == "function_call"), None)
            yield from self._piece(call or self._begin(self._next(), "function_call"), {}, piece)

    def _find(self, piece: Mapping[str, Any]) -> _Call:
        index, identity = piece.get("index"), string(piece.get("id"))
        if index is not None:
            return self._at(index, piece)
        if identity:
            return self._by_id.get(identity) or self._at(self._next(), piece)
        if self._last is None or _name(piece.get("function") or piece.get("custom")):
            return self._at(self._next(), piece)
        return self._last

    def _next(self) -> int:
        return max(self._calls, default=-1) + 1

    def _at(self, index: Any, piece: Mapping[str, Any]) -> _Call:
        custom = piece.get("type") == "custom" or isinstance(piece.get("custom"), dict)
        self._last = known = self._known(index) or self._begin(index, "custom" if custom else "function")
        return known

    def _known(self, index: Any) -> _Call | None:
        return self._calls.get(index) if type(index) is int else None

    def _begin(self, index: Any, kind: _Kind) -> _Call:
        if type(index) is not int or not 0 <= index <= MAX_INDEX:
            raise Unreadable
        call = self._calls[index] = _Call(len(self._calls), kind)
        return call

    def _piece(self, call: _Call, piece: Mapping[str, Any], body: Any) -> Iterator[ToolCall]:
        arguments = _text(body, "input" if call.kind == "custom" else "arguments")
        extra = self._extra(piece)
        if not call.begun:
            call.begun = True
            yield ToolCall(self.choice, call.index, self._id(call, piece), _name(body), arguments, call.kind, extra)
        elif arguments or extra:
            yield ToolCall(self.choice, call.index, arguments=arguments, kind=call.kind, extra=extra)

    def _id(self, call: _Call, piece: Mapping[str, Any]) -> str:
        identity = string(piece.get("id")) or f"call_{uuid4().hex}"
        self._by_id[identity] = call
        return identity

    def _extra(self, piece: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if piece.keys() <= _MEMBERS:
            return None
        extra = {name: value for name, value in piece.items() if name not in _MEMBERS and value is not None}
        return (guard.signatures(extra) if self.guarded else extra) or None


def _name(body: Any) -> str:
    return string(obj(body).get("name"))


def _text(body: Any, member: str) -> str:
    """Arguments as JSON text; some servers send them as an object."""
    value = obj(body).get(member)
    if value is None or isinstance(value, str):
        return value or ""
    return dumps(value).decode()
