"""A set of strings, narrowed by one UTF-16 code unit after another to those that a text may still become.

Units, because JSON may spell a character beyond U+FFFF in two escapes. The set is sorted once; a cursor is a range of
it and a place in its strings, so a step costs two binary searches whatever the size, or a glance at the one string that
is left.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

_BEYOND: Final = re.compile("[\U00010000-\U0010ffff]")


def in_units(text: str) -> str:
    """A text with each character beyond U+FFFF as its two surrogates."""
    if text.isascii() or _BEYOND.search(text) is None:
        return text
    units = text.encode("utf-16-be", "surrogatepass").hex("-", 2)
    return ("\\u" + units.replace("-", "\\u")).encode().decode("raw_unicode_escape")  # all of it in C


class Literals:
    """The strings, sorted, in units."""

    __slots__ = ("strings",)

    def __init__(self, strings: Iterable[str]) -> None:
        self.strings = sorted({in_units(string) for string in strings})


class Cursor:
    """How far a text has come among the strings. `cost` is about how many steps the next unit takes."""

    __slots__ = ("_at", "_high", "_low", "_strings", "cost")

    def __init__(self, literals: Literals) -> None:
        self._strings = literals.strings
        self._low = 0
        self._high = len(self._strings)
        self._at = 0
        self.cost = self._high.bit_length()

    def open(self) -> bool:
        """Whether a string is left."""
        return self._low < self._high

    def narrow(self, low: int, high: int) -> bool:
        """Whether a string is left whose next unit is between these."""
        return self._keep(low, high)

    def push(self, code: int) -> bool:
        """Take the next unit; whether a string is left."""
        kept = self._keep(code, code)
        self._at += 1
        return kept

    def exact(self) -> str | None:
        """The string that the text so far is."""
        if self._low < self._high and len(self._strings[self._low]) == self._at:
            return self._strings[self._low]
        return None

    def _unit(self, string: str) -> int:
        return ord(string[self._at]) if len(string) > self._at else -1

    def _keep(self, low: int, high: int) -> bool:
        if self._high - self._low == 1:
            kept = low <= self._unit(self._strings[self._low]) <= high
            self._high -= not kept
            return kept
        self._low = bisect_left(self._strings, low, self._low, self._high, key=self._unit)
        self._high = bisect_right(self._strings, high, self._low, self._high, key=self._unit)
        self.cost = (self._high - self._low).bit_length()
        return self._low < self._high
