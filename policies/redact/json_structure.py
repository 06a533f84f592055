"""The grammar of JSON by token: may the next token stand here?

It handles no text and no redaction. Several values in a row (newline-delimited JSON) are allowed.
"""

from enum import Enum, auto
from typing import Final


class Expect(Enum):
    """The tokens that may come next."""

    VALUE = auto()
    FIRST_VALUE = auto()  # in an array that may still end empty
    FIRST_KEY = auto()  # in an object that may still end empty
    KEY = auto()
    COLON = auto()
    COMMA = auto()
    DONE = auto()  # the outermost value is complete


_VALUES: Final = frozenset({Expect.VALUE, Expect.FIRST_VALUE, Expect.DONE})
_OPEN: Final = {"{": Expect.FIRST_KEY, "[": Expect.FIRST_VALUE}
_CLOSE: Final = {"}": ("{", Expect.FIRST_KEY), "]": ("[", Expect.FIRST_VALUE)}
MAX_DEPTH: Final = 512


class Structure:
    """A position in a JSON text."""

    __slots__ = ("_open", "expect")

    def __init__(self) -> None:
        self.expect = Expect.VALUE
        self._open: list[str] = []

    def string(self) -> bool:
        """Take a string. Return true if one may stand here, as the other methods do."""
        if self.expect in (Expect.KEY, Expect.FIRST_KEY):
            self.expect = Expect.COLON
            return True
        return self.scalar()

    def scalar(self) -> bool:
        """Take a number, true, false or null."""
        if self.expect not in _VALUES:
            return False
        self._value_ended()
        return True

    def mark(self, char: str) -> bool:
        """Take one of `{}[],:`."""
        if char in _OPEN:
            return self._opened(char)
        if char in _CLOSE:
            return self._closed(char)
        if char == ":":
            fits, self.expect = self.expect is Expect.COLON, Expect.VALUE
            return fits
        fits = self.expect is Expect.COMMA
        self.expect = Expect.KEY if self._open and self._open[-1] == "{" else Expect.VALUE
        return fits

    def _opened(self, char: str) -> bool:
        if self.expect not in _VALUES or len(self._open) >= MAX_DEPTH:
            return False
        self._open.append(char)
        self.expect = _OPEN[char]
        return True

    def _closed(self, char: str) -> bool:
        opening, empty = _CLOSE[char]
        if not self._open or self._open[-1] != opening or self.expect not in (Expect.COMMA, empty):
            return False
        self._open.pop()
        self._value_ended()
        return True

    def _value_ended(self) -> None:
        self.expect = Expect.COMMA if self._open else Expect.DONE
