"""Members of objects that come in pieces, made one as they come, in JSON.

Rule: they are folded by their JSON type: texts and lists are joined, objects member by member, of anything else the
last counts; null says nothing beside another value. What is held is the JSON text of the result: no piece is kept, and
a parsed value takes up to thirty times what its text does. So `size` is what it takes, and the caller bounds it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from proxy.formats.jsontext import dumps

OVERHEAD: Final = 512
"""Bytes that a member takes beside its text, whatever it holds."""


Parts: TypeAlias = list[bytes | bytearray]
"""JSON text in parts, which are not put together before they are sent: large ones would be there twice."""


class Folded:
    """One object in the making."""

    __slots__ = ("_members",)

    def __init__(self) -> None:
        self._members: dict[str, _Value] = {}

    def add(self, piece: Mapping[str, Any]) -> int:
        """Take a piece of it. Gives by how many bytes it grew."""
        grown = 0
        for name, value in piece.items():
            member = self._members.get(name)
            if member is None:
                member = self._members[name] = _Value()
                grown += OVERHEAD + len(name)
            if value is not None:
                grown += member.add(value)
        return grown

    def members(self) -> dict[str, Parts]:
        """Its members' JSON texts, the ones that are but null last."""
        said = {name: member.parts() for name, member in self._members.items() if member.kind is not None}
        return said | {name: [b"null"] for name in self._members if name not in said}


class _Value:
    """One member's value in the making. `kind` is the type of its pieces so far; `object` if it has several."""

    __slots__ = ("_first", "_json", "_repeats", "_whole", "kind")

    def __init__(self) -> None:
        self.kind: type | None = None
        self._json = bytearray()
        self._whole: Folded | None = None
        self._first: str | None = None
        """The text that all pieces were so far: a label that is sent again with each chunk."""
        self._repeats = 0

    def add(self, value: Any) -> int:
        kind = type(value)
        if self.kind is None:
            self.kind = kind if kind in (str, list, dict) else object
        elif self.kind is not kind:
            self.kind = object
        if self.kind is str:
            return self._text(value)
        if self.kind is dict:
            self._whole = self._whole or Folded()
            return self._whole.add(value)
        if self.kind is list:
            items = dumps(value)[1:-1]
            self._json += b"," + items if self._json and items else items
            return len(items) + 1
        before, self._json, self._whole, self._first = len(self._json), bytearray(dumps(value)), None, None
        return max(0, len(self._json) - before)

    def parts(self) -> Parts:
        if self._whole is not None:
            return written(self._whole.members())
        if self.kind is str:
            return [b'"', self._json if self._first is None else escaped(self._first), b'"']
        return [b"[", self._json, b"]"] if self.kind is list else [self._json]

    def _text(self, value: str) -> int:
        if not self._repeats:
            self._first = value
        self._repeats += 1
        if value == self._first:
            return len(value)  # as if it were kept: another text may come, and then it is
        if self._first is not None:
            self._json += escaped(self._first) * (self._repeats - 1)
            self._first = None
        piece = escaped(value)
        self._json += piece
        return len(piece)


def escaped(text: str) -> bytes:
    """A text as it stands between a JSON string's quotes. Those of a text's pieces, put together, are the text's."""
    return dumps(text)[1:-1]


def written(members: Mapping[str, Parts]) -> Parts:
    """The object with these members, which are JSON texts."""
    parts: Parts = []
    for name, value in members.items():
        parts += [b"," if parts else b"{", dumps(name), b":", *value]
    return [*parts, b"}"] if parts else [b"{}"]


def listed(items: Iterable[Parts]) -> Parts:
    """The list of these, which are JSON texts."""
    parts: Parts = []
    for item in items:
        parts += [b"," if parts else b"[", *item]
    return [*parts, b"]"] if parts else [b"[]"]
