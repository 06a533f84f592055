"""Incremental JSON parser, exactly RFC 8259, for any cut of the text into chunks.

`feed` returns the place of the first character after which no continuation is a JSON text. A lone surrogate escape is a
normal character. `NaN` and a byte order mark are invalid. Nesting deeper than `DEEPEST` counts as broken.

The parser is a pushdown automaton. Each state is a method that takes as many characters as it can (regular expressions
skip the inside of strings and white space). It returns the place where the next state continues. The only memory is the
stack, with one character for each open container. A `Watch` is told of values, names and, if it asks for them, the
characters of strings and numbers. It may end the text as soon as its own rules cannot hold.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

DEEPEST: Final = 128
"""Maximum nesting depth of containers."""

Kind: TypeAlias = int
OBJECT: Final = 1
ARRAY: Final = 2
STRING: Final = 4
NUMBER: Final = 8
TRUE: Final = 16
FALSE: Final = 32
NULL: Final = 64
"""The kinds of values, by their first character. They are bits, so that sets of kinds are integers."""

_KINDS = {"{": OBJECT, "[": ARRAY, '"': STRING, "t": TRUE, "f": FALSE, "n": NULL, "-": NUMBER}
_KINDS |= {digit: NUMBER for digit in "0123456789"}
_WORDS = {TRUE: "true", FALSE: "false", NULL: "null"}

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPES = {'"': 0x22, "\\": 0x5C, "/": 0x2F, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9}
_HEX = {digit: int(digit, 16) for digit in "0123456789abcdefABCDEF"}

_DIGITS = "0123456789"
_EXPONENT = {"e": "exponent", "E": "exponent"}
_NUMBERS: dict[str, dict[str, str]] = {
    "start": {"-": "minus", "0": "zero", **dict.fromkeys("123456789", "whole")},
    "minus": {"0": "zero", **dict.fromkeys("123456789", "whole")},
    "zero": {".": "point", **_EXPONENT},
    "whole": {".": "point", **_EXPONENT, **dict.fromkeys(_DIGITS, "whole")},
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {**_EXPONENT, **dict.fromkeys(_DIGITS, "fraction")},
    "exponent": {"+": "sign", "-": "sign", **dict.fromkeys(_DIGITS, "power")},
    "sign": dict.fromkeys(_DIGITS, "power"),
    "power": dict.fromkeys(_DIGITS, "power"),
}
_WHOLE_NUMBERS = frozenset({"zero", "whole", "fraction", "power"})


class Watch(Protocol):
    """Additional conditions on the text. Each method returns true while they can still hold.

    `texts` and `digits` tell if the characters of the current string or number matter. A string's units are UTF-16 code
    units with escapes resolved.
    """

    texts: bool
    digits: bool

    def begin(self, kind: Kind) -> bool:
        """A value begins."""

    def end(self) -> bool:
        """The innermost value ends."""

    def begin_name(self) -> bool:
        """The name of a member begins."""

    def end_name(self) -> bool:
        """The name of a member ends."""

    def narrow(self, low: int, high: int) -> bool:
        """The string's next unit will be between `low` and `high`."""

    def unit(self, code: int) -> bool:
        """The string's next unit arrives."""

    def digit(self, char: str) -> bool:
        """The number's next character arrives."""


class Grammar:
    """One JSON text, as far as it has arrived."""

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch = watch
        self._state: Callable[[Grammar, str, int], int] = Grammar._value
        self._stack: list[str] = []
        self._named = False
        self._word = ""
        self._number_state = "start"
        self._code = 0
        self._hex_left = 0
        self.broken = False

    @property
    def complete(self) -> bool:
        """True if the text so far, without the character that broke it, is a complete JSON text."""
        if self._stack:
            return False
        return self._state == Grammar._tail or (self._in_number() and not self.broken)

    def feed(self, text: str) -> int | None:
        """Take more text. Return the place of the character that broke it, or None while it can be JSON."""
        if self.broken:
            return 0
        at, end = 0, len(text)
        while at < end:
            at = self._state(self, text, at)
            if self.broken:
                return at
        return None

    def finish(self) -> bool:
        """End the text. Return true if it is complete and satisfies the watch."""
        if self.broken or not self.complete:
            return False
        return self._watch is None or not self._in_number() or self._watch.end()

    def _in_number(self) -> bool:
        return self._state == Grammar._number and self._number_state in _WHOLE_NUMBERS

    # ---- values
    def _value(self, text: str, at: int) -> int:
        char = text[at]
        kind = _KINDS.get(char)
        if kind is None:
            return self._space(text, at)
        if self._watch is not None and not self._watch.begin(kind):
            return self._break(at)
        if kind <= ARRAY:
            return self._open(char, at)
        if kind == STRING:
            self._named = False
            self._state = Grammar._string
            return at + 1
        if kind == NUMBER:
            self._number_state = "start"
            self._state = Grammar._number
            return at
        self._word = _WORDS[kind]
        self._state = Grammar._literal
        return at

    def _open(self, char: str, at: int) -> int:
        if len(self._stack) == DEEPEST:
            return self._break(at)
        self._stack.append(char)
        self._state = Grammar._first_name if char == "{" else Grammar._first_item
        return at + 1

    def _ended(self, at: int) -> int:
        """Handle the end of a value, after its last character."""
        if self._watch is not None and not self._watch.end():
            return self._break(at)
        self._state = Grammar._after if self._stack else Grammar._tail
        return at + 1

    def _literal(self, text: str, at: int) -> int:
        if text[at] != self._word[0]:
            return self._break(at)
        self._word = self._word[1:]
        return at + 1 if self._word else self._ended(at)

    def _number(self, text: str, at: int) -> int:
        digits = self._watch is not None and self._watch.digits
        state, end = self._number_state, len(text)
        while at < end:
            char = text[at]
            after = _NUMBERS[state].get(char)
            if after is None:
                self._number_state = state
                return self._number_over(at)
            if digits and not self._digit(char):
                return self._break(at)
            state = after
            at += 1
        self._number_state = state
        return at

    def _digit(self, char: str) -> bool:
        return self._watch is None or self._watch.digit(char)

    def _number_over(self, at: int) -> int:
        """End the number at a character that does not belong to it. The next state takes that character."""
        if self._number_state not in _WHOLE_NUMBERS:
            return self._break(at)
        self._ended(at)
        return at

    # ---- containers
    def _first_item(self, text: str, at: int) -> int:
        if text[at] == "]":
            return self._close(at)
        if text[at] in " \t\n\r":
            return self._space(text, at)
        return self._value(text, at)

    def _first_name(self, text: str, at: int) -> int:
        return self._close(at) if text[at] == "}" else self._name(text, at)

    def _name(self, text: str, at: int) -> int:
        if text[at] != '"':
            return self._space(text, at)
        if self._watch is not None and not self._watch.begin_name():
            return self._break(at)
        self._named = True
        self._state = Grammar._string
        return at + 1

    def _colon(self, text: str, at: int) -> int:
        if text[at] != ":":
            return self._space(text, at)
        self._state = Grammar._value
        return at + 1

    def _after(self, text: str, at: int) -> int:
        char, opened = text[at], self._stack[-1]
        if char == ",":
            self._state = Grammar._name if opened == "{" else Grammar._value
            return at + 1
        if char == ("}" if opened == "{" else "]"):
            return self._close(at)
        return self._space(text, at)

    def _close(self, at: int) -> int:
        self._stack.pop()
        return self._ended(at)

    def _tail(self, text: str, at: int) -> int:
        return self._space(text, at)

    # ---- strings
    def _string(self, text: str, at: int) -> int:
        if self._watch is not None and self._watch.texts:
            return self._watched(self._watch, text, at)
        found = _PLAIN.match(text, at)
        at = found.end() if found else at
        if at == len(text):
            return at
        if text[at] == '"':
            return self._string_over(at)
        return self._special(text[at], at)

    def _watched(self, watch: Watch, text: str, at: int) -> int:
        char = text[at]
        if char == '"':
            return self._string_over(at)
        if char == "\\" or char < " ":
            return self._special(char, at) if watch.narrow(0, 0xFFFF) else self._break(at)
        code = ord(char)
        if code > 0xFFFF:
            high, low = 0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code & 0x3FF)
            return at + 1 if watch.unit(high) and watch.unit(low) else self._break(at)
        return at + 1 if watch.unit(code) else self._break(at)

    def _special(self, char: str, at: int) -> int:
        if char != "\\":
            return self._break(at)
        self._state = Grammar._escape
        return at + 1

    def _escape(self, text: str, at: int) -> int:
        char = text[at]
        if char == "u":
            self._code, self._hex_left = 0, 4
            self._state = Grammar._hex
            return at + 1
        code = _ESCAPES.get(char)
        if code is None or not self._unit(code):
            return self._break(at)
        self._state = Grammar._string
        return at + 1

    def _hex(self, text: str, at: int) -> int:
        value = _HEX.get(text[at])
        if value is None:
            return self._break(at)
        self._code = self._code << 4 | value
        self._hex_left -= 1
        if self._hex_left:
            shift = 4 * self._hex_left
            possible = self._narrow(self._code << shift, (self._code + 1 << shift) - 1)
        else:
            self._state = Grammar._string
            possible = self._unit(self._code)
        return at + 1 if possible else self._break(at)

    def _narrow(self, low: int, high: int) -> bool:
        return self._watch is None or not self._watch.texts or self._watch.narrow(low, high)

    def _unit(self, code: int) -> bool:
        return self._watch is None or not self._watch.texts or self._watch.unit(code)

    def _string_over(self, at: int) -> int:
        if not self._named:
            return self._ended(at)
        if self._watch is not None and not self._watch.end_name():
            return self._break(at)
        self._state = Grammar._colon
        return at + 1

    # ---- between
    def _space(self, text: str, at: int) -> int:
        found = _SPACE.match(text, at)
        after = found.end() if found else at
        return after if after > at else self._break(at)

    def _break(self, at: int) -> int:
        self.broken = True
        return at
