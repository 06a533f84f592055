"""The raw text of a stream, as long as some part may still need it.

Adding and dropping text costs time proportional to that text, however much is held. New pieces therefore wait in a list
until they are half as long as the joined text, and text is cut off only when it is half of the total. A short text
stays in one piece, the usual and fastest case.
"""

from typing import Final

SHORT: Final = 4_096
"""Number of characters that are always kept in one piece."""


class Held:
    """`buffer` is the text from position `base` on. Later text waits in `_more`."""

    __slots__ = ("_more", "_size", "base", "buffer")

    def __init__(self) -> None:
        self.buffer = ""
        self.base = 0
        self._more: list[str] = []
        self._size = 0

    @property
    def short(self) -> bool:
        """True if the text is in one piece."""
        return not self._more and len(self.buffer) < SHORT

    def show(self, piece: str) -> None:
        """Add the next characters."""
        if self.short:
            self.buffer += piece
            return
        self._more.append(piece)
        self._size += len(piece)
        if 2 * self._size > len(self.buffer):
            self._join()

    def between(self, start: int, end: int) -> str:
        """Return the characters between two positions, without those that were dropped."""
        base = self.base
        upto = base + len(self.buffer)
        if end <= upto or not self._more:
            return self.buffer[max(start - base, 0) : end - base]
        last: list[str] = []
        first = upto + self._size
        for piece in reversed(self._more):
            last.append(piece)
            first -= len(piece)
            if first <= start:
                break
        behind = "".join(reversed(last))
        if start >= upto:
            return behind[start - first : end - first]
        return self.buffer[max(start - base, 0) :] + behind[: end - upto]

    def forget(self, upto: int) -> None:
        """Drop the text before a position."""
        dead = upto - self.base
        if dead <= 0:
            return
        if dead >= len(self.buffer):
            self._join()
        elif len(self.buffer) > SHORT and 2 * dead < len(self.buffer):
            return
        self.buffer = self.buffer[dead:]
        self.base = upto

    def clear(self, position: int) -> None:
        """Drop all text. The next character is at `position`."""
        self.buffer = ""
        self.base = position
        self._more.clear()
        self._size = 0

    def _join(self) -> None:
        self.buffer += "".join(self._more)
        self._more.clear()
        self._size = 0
