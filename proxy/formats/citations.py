"""Citations in OpenAI's shape, and the offsets in them.

Rule: `start_index` and `end_index` count characters of the choice's content, as in OpenAI's answers, whatever the
provider counts. They are those of the provider's text: a policy that changes the text's length makes them approximate.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Any

from proxy.formats.fields import items, obj, string

_MAX_KEPT = 1 << 18  # characters
_MAX_PIECES = 1 << 15  # two hundred bytes each, beside their characters
_MAX_URL = 1 << 13
_PIECE = 1 << 12  # characters: what one look-up may have to read
_MAX_ANNOTATIONS = 256
_MAX_SOURCES = 1024  # looked at in one event
_CONTINUATION = bytes(range(0x80, 0xC0))


def url_citation(index: int, url: str, title: str, start: int, end: int) -> dict[str, Any]:
    """One entry of `annotations`. `index` is its place among the choice's annotations: the OpenAI SDK's stream helper
    cannot join a streamed list of objects without it."""
    citation = {"url": url, "title": title, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": citation, "index": index}


class Room:
    """What the texts of one answer may keep together."""

    __slots__ = ("characters", "pieces")

    def __init__(self) -> None:
        self.characters = _MAX_KEPT
        self.pieces = _MAX_PIECES


class ByteOffsets:
    """Turns byte offsets in a text (as UTF-8) into character offsets, while the text arrives in pieces.

    Only what is not ASCII is kept, at most 256 Ki characters in 32 Ki pieces for all texts that share a `room`. When it
    is full, offsets are unknown.
    """

    __slots__ = ("_bytes", "_characters", "_full", "_pieces", "_room", "_starts")

    def __init__(self, room: Room | None = None) -> None:
        self._room = Room() if room is None else room
        self._bytes = 0
        self._characters = 0
        self._full = False
        self._starts: list[int] = []
        self._pieces: list[tuple[int, bytes]] = []

    def add(self, text: str) -> None:
        """The next piece of the text."""
        if text.isascii():
            self._bytes += len(text)
            self._characters += len(text)
            return
        for at in range(0, len(text), _PIECE):
            characters = text[at : at + _PIECE]
            piece = characters.encode("utf-8", "surrogatepass")
            self._keep(piece, len(characters))
            self._bytes += len(piece)
            self._characters += len(characters)

    def _keep(self, piece: bytes, characters: int) -> None:
        room, last = self._room, self._pieces[-1] if self._pieces else None
        room.characters -= characters
        joined = last is not None and self._starts[-1] + len(last[1]) == self._bytes and len(last[1]) < _PIECE
        room.pieces -= not joined
        if room.characters < 0 or room.pieces < 0:
            self._full = True
            self._starts.clear()
            self._pieces.clear()
        elif joined and last is not None:
            self._pieces[-1] = (last[0], last[1] + piece)
        else:
            self._starts.append(self._bytes)
            self._pieces.append((self._characters, piece))

    def characters(self, offset: Any) -> int | None:
        """The character at byte `offset` (absent means 0); None when it is no offset in the text so far."""
        if offset is None:
            return 0
        if type(offset) is not int or not 0 <= offset <= self._bytes or self._full:
            return None
        at = bisect_right(self._starts, offset) - 1
        if at < 0:
            return offset
        before, piece = self._pieces[at]
        inside = piece[: offset - self._starts[at]]
        ascii_behind = offset - self._starts[at] - len(inside)
        return before + len(inside.translate(None, _CONTINUATION)) + ascii_behind


class Grounding:
    """The annotations of one Gemini candidate, each given once although its metadata may come again in later events."""

    __slots__ = ("_given", "offsets")

    def __init__(self, room: Room | None = None) -> None:
        self.offsets = ByteOffsets(room)
        self._given: set[tuple[int, int, int]] = set()

    def annotations(self, candidate: dict[str, Any]) -> list[dict[str, Any]]:
        """New entries of `annotations` for a candidate's `groundingMetadata` and `citationMetadata`."""
        out = []
        for segment, source in islice(_sources(candidate), _MAX_SOURCES):
            start = self.offsets.characters(segment.get("startIndex"))
            end = self.offsets.characters(segment.get("endIndex"))
            url = string(source.get("uri"))
            if start is None or end is None or start >= end or not 0 < len(url) <= _MAX_URL:
                continue
            key = (start, end, hash(url))
            if key in self._given:
                continue
            if len(self._given) == _MAX_ANNOTATIONS:
                break
            out.append(url_citation(len(self._given), url, string(source.get("title")), start, end))
            self._given.add(key)
        return out


def _sources(candidate: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of what is cited (`startIndex`, `endIndex`) and where from (`uri`, `title`)."""
    grounding = obj(candidate.get("groundingMetadata"))
    chunks = items(grounding.get("groundingChunks"))
    for support in map(obj, items(grounding.get("groundingSupports"))):
        for index in items(support.get("groundingChunkIndices")):
            if type(index) is int and 0 <= index < len(chunks):
                yield obj(support.get("segment")), _source(obj(chunks[index]))
    citations = obj(candidate.get("citationMetadata"))
    for citation in map(obj, items(citations.get("citationSources")) + items(citations.get("citations"))):
        yield citation, citation


def _source(chunk: dict[str, Any]) -> dict[str, Any]:
    return obj(next((chunk[kind] for kind in ("web", "maps", "retrievedContext") if kind in chunk), None))
