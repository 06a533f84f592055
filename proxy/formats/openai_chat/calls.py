"""The tool calls of one choice: which call a piece belongs to.

OpenAI numbers the pieces, and gives id and name with a call's first one. Other servers number nothing, give every call
the number 0, change the number in the middle of a call, count from 1, send every call whole, repeat id and name with
each piece, give them late, as "" or null, leave the id out, make up a new one for each piece, send the whole arguments
once more at the end, or nothing for a call without arguments.

Rules. A piece is known by its id, then by its number, then by standing behind another piece. A new name, or a new id
with a name, begins a call; a piece without a name goes on with the call of its number, or with the last one. Whole
arguments that come again, with the call's own id or without id and name, are a copy. A call is passed on once its name
is known, or at the end of its choice: then calls are counted from 0, and id and name come once, with the first piece.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import uuid4

from policies.events import FinishReason, ToolCall
from proxy.formats.fields import Unreadable, obj, string, whole_number
from proxy.formats.jsontext import dumps
from proxy.formats.openai_chat import guard

MAX_INDEX = 127
"""The largest index of a choice and of a tool call: OpenAI's own limits are 128 of either."""

MAX_NAMELESS = 1 << 16
"""Characters that wait for their call's name: id, arguments, other members. A call that has more is passed on without
one."""

MAX_KNOWN = 256
"""Characters of an id or a name by which a call's further pieces are known; of a longer one a hash is kept."""

_Kind: TypeAlias = Literal["function", "custom", "function_call"]
_MEMBERS = frozenset({"index", "id", "type", "function", "custom"})
_FLAT = frozenset({"name", "arguments"})
"""Members of a function that some servers put into the piece itself."""


@dataclass(slots=True)
class _Call:
    """One call. `place` is its index for the client, None until it is passed on. `first` and `last` are the first and
    the last character of its arguments that are no white space; `sum` is the checksum of all of these."""

    kind: _Kind
    id: str = ""
    name: str = ""
    place: int | None = None
    waiting: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    sum: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the arguments look like a complete JSON object, and not like the beginning of one."""
        return self.first == "{" and self.last == "}"


@dataclass(slots=True)
class Calls:
    """What was seen of the tool calls of choice `choice`. `_numbered` has the newest call of each number that the
    provider gave."""

    choice: int
    guarded: bool
    _calls: list[_Call] = field(default_factory=list)
    _numbered: dict[int, _Call] = field(default_factory=dict)
    _by_id: dict[str, _Call] = field(default_factory=dict)
    _passed_on: int = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def tools(self, pieces: Any, *, whole: bool) -> Iterator[ToolCall]:
        """The pieces of a `tool_calls` list; in a `whole` answer each is a call. Raises Unreadable."""
        if isinstance(pieces, dict):
            pieces = [pieces]
        if not isinstance(pieces, list):
            return
        for piece in pieces:
            if not isinstance(piece, dict):
                continue
            kind = _kind(piece)
            if kind == "function" and "function" not in piece and "name" in piece:
                piece = _nested(piece)
            call = self._begin(kind) if whole else self._find(piece, kind)
            if call is not None:
                yield from self._piece(call, piece, piece.get(call.kind))

    def legacy(self, piece: Any) -> Iterator[ToolCall]:
        """A piece of `function_call`."""
        if isinstance(piece, dict):
            call = next((call for call in self._calls if call.kind == "function_call"), None)
            yield from self._piece(call or self._begin("function_call"), {}, piece)

    def ending(self, reason: FinishReason | None) -> FinishReason:
        """The reason that a choice with these calls ends for. Agents run calls behind `tool_calls` alone, and wait for
        calls behind it; some servers say `stop` behind calls, or `tool_calls` behind none."""
        kinds = {call.kind for call in self._calls}
        if not kinds:
            return "stop" if reason in (None, "tool_calls", "function_call") else reason
        if kinds == {"function_call"}:
            return reason or "function_call"
        return "tool_calls" if reason in (None, "stop", "function_call") else reason

    def close(self, reason: FinishReason) -> Iterator[ToolCall]:
        """The choice ends: the calls whose name never came, and the arguments of those that have none."""
        for call in self._calls:
            if call.kind == "function" and not call.first and reason == "tool_calls":
                call.waiting += "{}"
            if call.place is None:
                yield self._first(call)
            elif call.waiting:
                yield ToolCall(self.choice, call.place, arguments=call.waiting, kind=call.kind)

    # ---- which call
    def _find(self, piece: Mapping[str, Any], kind: _Kind) -> _Call | None:
        """The call of a piece; None if the piece is a copy of all that its call has."""
        index, id, body = piece.get("index"), string(piece.get("id")), piece.get(kind)
        if index is not None:
            index = whole_number(index, MAX_INDEX)
        call = self._by_id.get(_known(id))
        if call is None:
            call = self._latest() if index is None else self._numbered.get(index)
        if call is None and not id and not _name(body):
            call = self._latest()  # a number alone is no call
        if call is not None and _is_copy(call, id, body) and (index is None or self._numbered.get(index) is call):
            return None
        if call is None or _is_another(call, id, body, numbered=index is not None):
            call = self._begin(kind)
        if index is not None:
            self._numbered[index] = call
        return call

    def _latest(self) -> _Call | None:
        return self._calls[-1] if self._calls else None

    def _begin(self, kind: _Kind) -> _Call:
        if len(self._calls) > MAX_INDEX:
            raise Unreadable
        call = _Call(kind)
        self._calls.append(call)
        return call

    # ---- what it says
    def _piece(self, call: _Call, piece: Mapping[str, Any], body: Any) -> Iterator[ToolCall]:
        arguments = _text(body, "input" if call.kind == "custom" else "arguments")
        extra = self._extra(piece)
        if (text := arguments.strip()) and call.kind == "function":
            call.first, call.last, call.sum = call.first or text[0], text[-1], _sum(text, call.sum)
        if id := string(piece.get("id")):
            call.id = call.id or (id if call.place is None else _known(id))
            self._by_id[_known(id)] = call
        if call.place is not None:
            if arguments or extra:
                yield ToolCall(self.choice, call.place, arguments=arguments, kind=call.kind, extra=extra)
            return
        call.name = call.name or _name(body)
        call.waiting += arguments
        call.extra |= extra or {}
        if call.name or _waiting(call) > MAX_NAMELESS:
            yield self._first(call)

    def _first(self, call: _Call) -> ToolCall:
        """The piece with which a call is passed on."""
        call.place = self._passed_on
        self._passed_on += 1
        waiting, call.waiting = call.waiting, ""
        id, name, extra = call.id or f"call_{uuid4().hex}", call.name, call.extra
        call.id, call.name, call.extra = _known(call.id), _known(name), {}
        return ToolCall(self.choice, call.place, id, name, waiting, call.kind, extra or None)

    def _extra(self, piece: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if piece.keys() <= _MEMBERS:
            return None
        extra = {name: value for name, value in piece.items() if name not in _MEMBERS and value is not None}
        return (guard.signatures(extra) if self.guarded else extra) or None


def _is_another(call: _Call, id: str, body: Any, *, numbered: bool) -> bool:
    """Whether a piece with this id begins a call of its own, and does not go on with `call`."""
    name = _name(body)
    if name and call.name and _known(name) != _known(call.name):
        return True
    if id and call.id and _known(id) != _known(call.id):
        if name or not call.name:
            return True
        return call.is_whole and _text(body, "arguments").lstrip().startswith("{")
    if not name or not call.name:
        return False
    # The same name once more: servers repeat it with each piece, or call one function twice.
    if call.is_whole:
        return _text(body, "arguments").lstrip().startswith("{")
    return not (numbered or id or call.first)


def _is_copy(call: _Call, id: str, body: Any) -> bool:
    """Whether a piece with the call's id, or with neither id nor name, repeats all of the call's arguments."""
    if not call.is_whole or (_known(id) != _known(call.id) if id else _name(body)):
        return False
    text = _text(body, "arguments")
    return text.lstrip().startswith("{") and _sum(text, 0) == call.sum


def _nested(piece: Mapping[str, Any]) -> dict[str, Any]:
    """A piece whose function's members stand in it, in OpenAI's form."""
    rest = {name: value for name, value in piece.items() if name not in _FLAT}
    return rest | {"function": {name: piece[name] for name in _FLAT if name in piece}}


def _sum(text: str, before: int) -> int:
    """The checksum of arguments without their white space, which a server writes anew when it repeats them."""
    return zlib.crc32("".join(text.split()).encode(errors="surrogatepass"), before)


def _known(text: str) -> str:
    return text if len(text) <= MAX_KNOWN else f"#{hash(text)}"


def _waiting(call: _Call) -> int:
    return len(call.id) + len(call.waiting) + (len(dumps(call.extra)) if call.extra else 0)


def _kind(piece: Mapping[str, Any]) -> _Kind:
    custom = piece.get("type") == "custom" or isinstance(piece.get("custom"), dict)
    return "custom" if custom else "function"


def _name(body: Any) -> str:
    return string(obj(body).get("name"))


def _text(body: Any, member: str) -> str:
    """Arguments as JSON text; some servers send them as an object."""
    value = obj(body).get(member)
    if value is None or isinstance(value, str):
        return value or ""
    return dumps(value).decode()
