"""A set of strings, narrowed by one UTF-16 code unit after another to those that a text may still become.

Units, because JSON may spell a character beyond U+FFFF in two escapes. The set is sorted once; a cursor is a range of
it and a place in its strings, so a step costs two binary searches whatever the size.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


def in_units(text: str) -> str:
    """A text with each character beyond U+FFFF as its two surrogates."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    raw = text.encode("utf-16-be", "surrogatepass")
    return "".join(chr(raw[i] << 8 | raw[i + 1]) for i in range(0, len(raw), 2))


class Literals:
    """The strings, sorted, in units."""

    __slots__ = ("strings",)

    def __init__(self, strings: Iterable[str]) -> None:
        self.strings = sorted({in_units(string) for string in strings})


class Cursor:
    """How far a text has come among the strings."""

    __slots__ = ("_at", "_high", "_low", "_strings")

    def __init__(self, literals: Literals) -> None:
        self._strings = literals.strings
        self._low = 0
        self._high = len(self._strings)
        self._at = 0

    def open(self) -> bool:
        """Whether a string is left."""
        return self._low < self._high

    def narrow(self, low: int, high: int) -> bool:
        """Whether a string is left whose next unit is between these."""
        self._low, self._high = self._range(low, high)
        return self._low < self._high

    def push(self, code: int) -> bool:
        """Take the next unit; whether a string is left."""
        self._low, self._high = self._range(code, code)
        self._at += 1
        return self._low < self._high

    def exact(self) -> str | None:
        """The string that the text so far is."""
        if self._low < self._high and len(self._strings[self._low]) == self._at:
            return self._strings[self._low]
        return None

    def _range(self, low: int, high: int) -> tuple[int, int]:
        def unit(string: str) -> int:
            return ord(string[self._at]) if len(string) > self._at else -1

        first = bisect_left(self._strings, low, self._low, self._high, key=unit)
        return first, bisect_right(self._strings, high, first, self._high, key=unit)
