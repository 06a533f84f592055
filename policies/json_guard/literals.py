"""A set of strings, narrowed by each UTF-16 code unit to those that a text may still become.

Units are needed because JSON may spell a character beyond U+FFFF in two escapes. The set is sorted once. A cursor is a
range of the set and a position in its strings. A step therefore costs two binary searches whatever the size, or one
comparison if a single string is left.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Final

_BEYOND: Final = re.compile("[\U00010000-\U0010ffff]")


def in_units(text: str) -> str:
    """Replace each character beyond U+FFFF by its two surrogates."""
    if text.isascii() or _BEYOND.search(text) is None:
        return text
    units = text.encode("utf-16-be", "surrogatepass").hex("-", 2)
    return ("\\u" + units.replace("-", "\\u")).encode().decode("raw_unicode_escape")  # runs in C


class Literals:
    """The strings, sorted, in units."""

    __slots__ = ("strings",)

    def __init__(self, strings: Iterable[str]) -> None:
        self.strings = sorted({in_units(string) for string in strings})


class Cursor:
    """The position of a text among the strings. `cost` is the approximate number of steps for the next unit."""

    __slots__ = ("_at", "_high", "_low", "_strings", "cost")

    def __init__(self, literals: Literals) -> None:
        self._strings = literals.strings
        self._low = 0
        self._high = len(self._strings)
        self._at = 0
        self.cost = self._high.bit_length()

    def open(self) -> bool:
        """True if a string is left."""
        return self._low < self._high

    def narrow(self, low: int, high: int) -> bool:
        """Return true if a string is left whose next unit is between `low` and `high`."""
        return self._keep(low, high)

    def push(self, code: int) -> bool:
        """Take the next unit. Return true if a string is left."""
        kept = self._keep(code, code)
        self._at += 1
        return kept

    def exact(self) -> str | None:
        """Return the string that equals the text so far, or None."""
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
