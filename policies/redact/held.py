"""The raw text of a stream, as long as somebody may still look at it.

Rule: what is taken in and let go of costs time by its own length, however much is held. So pieces wait in a list until
there is half as much of them as of the text before, and text is cut off only once it is half of what is there. A short
text is kept in one piece: that is the usual case, and the fastest.
"""

from typing import Final

SHORT: Final = 4_096
"""Characters that are always kept in one piece."""


class Held:
    """`buffer` is the text from position `base` on; what came behind it waits in `_more`."""

    __slots__ = ("_more", "_size", "base", "buffer")

    def __init__(self) -> None:
        self.buffer = ""
        self.base = 0
        self._more: list[str] = []
        self._size = 0

    @property
    def short(self) -> bool:
        """Whether it is kept in one piece."""
        return not self._more and len(self.buffer) < SHORT

    def show(self, piece: str) -> None:
        """Take in the next characters."""
        if self.short:
            self.buffer += piece
            return
        self._more.append(piece)
        self._size += len(piece)
        if 2 * self._size > len(self.buffer):
            self._join()

    def between(self, start: int, end: int) -> str:
        """The characters from one position to another. What was let go of is missing."""
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
        """Forget the text before a position."""
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
        """Forget all of it; the next character is at `position`."""
        self.buffer = ""
        self.base = position
        self._more.clear()
        self._size = 0

    def _join(self) -> None:
        self.buffer += "".join(self._more)
        self._more.clear()
        self._size = 0
