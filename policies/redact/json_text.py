"""Redaction inside a JSON text on its way: what comes out parses wherever what came in did.

Rule: each string, key or value, is a text of its own; matches never cross a quote. An escape (a surrogate pair too)
counts as the character it stands for and goes out spelled as it came; labels are escaped. Numbers are held whole, with
the white space behind them, until what follows shows that they are one: a number with a match becomes a quoted string.

Text that turns out not to be JSON goes on as plain text from the last token on, escapes still read as what they stand
for: a lenient reader would take them so, and a secret must not pass in a broken spelling. Nothing held is let go
by the change. Raw control characters and unknown escapes inside strings are taken as they stand.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from policies.redact.emitter import Emitter
from policies.redact.json_structure import Structure
from policies.redact.stream import Match, Stream

_RUN: Final = re.compile(r'[^"\\]+')
_SPECIAL: Final = re.compile(r'["\\]')
_PLAIN_RUN: Final = re.compile(r"[^\\]+")
_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NUMBER_RUN: Final = re.compile(r"[0-9+\-.eE]+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[^u])", re.DOTALL)
_UNFINISHED: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_HIGH: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")
_LOW: Final = re.compile(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LOW_UNFINISHED: Final = re.compile(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?")
_LITERALS: Final = ("true", "false", "null")
_SHORT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MARKS: Final = "{}[],:"

Step = tuple[int | None, Iterable[str]]
"""How many characters were taken (None: the token is not finished), and what goes out."""
WAIT: Final[Step] = (None, ())


class SpelledEmitter(Emitter):
    """Gives characters out as they were spelled, and labels as JSON strings spell them, if `quoted`."""

    __slots__ = ("quoted", "spellings")

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.spellings: dict[int, str] = {}
        self.quoted = True

    def raw(self, start: int, end: int) -> str:
        text = super().raw(start, end)
        if not self.spellings:
            return text
        return "".join(self.spellings.get(start + i, ch) for i, ch in enumerate(text))

    def spell(self, label: str) -> str:
        return json.dumps(label, ensure_ascii=False)[1:-1] if self.quoted else label


class _Spelled:
    """One string: a stream of the characters meant, and where in the JSON text they stand."""

    def __init__(self, stream: Stream, emitter: SpelledEmitter, offset: int) -> None:
        self.stream = stream
        self.emitter = emitter
        self.offset = offset
        self.length = 0
        self._wide: list[tuple[int, int]] = []  # (index, how much longer its spelling is)
        self._reported = 0

    def plain(self, text: str, sliced: bool) -> Iterator[str]:
        if not sliced:
            return iter((self.run(text),))
        self.length += len(text)
        return self.stream.pieces(text)

    def run(self, text: str) -> str:
        self.length += len(text)
        emitter = self.emitter
        if not emitter.verbatim and emitter.base == emitter.emitted == self.stream.position:
            emitter.spellings.clear()
            emitter.verbatim = True
        return self.stream.feed(text)

    def escaped(self, char: str, spelling: str) -> str:
        self.emitter.spellings[self.length] = spelling
        self.emitter.verbatim = False
        self._wide.append((self.length, len(spelling) - 1))
        self.length += 1
        return self.stream.feed(char)

    def matches(self) -> list[Match]:
        """The matches not given yet, at their places in the JSON text."""
        new = self.stream.matches[self._reported :] if self.stream.matches else ()
        self._reported += len(new)
        return [Match(rule, self._place(start), self._place(end)) for rule, start, end in new]

    def _place(self, index: int) -> int:
        return self.offset + index + sum(extra for at, extra in self._wide if at < index)


class JsonStream:
    """As `Stream`, for a JSON text. `open_text` makes the stream of one string, and its emitter."""

    def __init__(self, open_text: Callable[[], tuple[Stream, SpelledEmitter]], max_hold: int) -> None:
        self.blocked: str | None = None
        self.matches: list[Match] = []
        self._open_text = open_text
        self._max_hold = max_hold
        self._structure = Structure()
        self._string: _Spelled | None = None
        self._plain = False
        self._token = ""  # an unfinished token: a number, a literal, an escape
        self._position = 0
        self._gone = 0
        self._closed = False

    @property
    def held(self) -> int:
        """The characters taken in and not yet given out, redacted or swallowed; a finished escape counts as one."""
        return len(self._token) + (self._string.stream.held if self._string is not None else 0)

    @property
    def position(self) -> int:
        """The characters taken in."""
        return self._position + len(self._token)

    def skip(self) -> None:
        """Hold nothing that came so far: it went to the client another way (see `Stream.skip`)."""
        if self._string is not None:
            self._string.stream.skip()
        self._gone = len(self._token)

    def feed(self, text: str) -> str:
        """Take the next characters, give what can go out."""
        string = self._string
        if string is not None and not self._token and not self._gone and not self._closed and not _SPECIAL.search(text):
            self._position += len(text)
            out = string.run(text)
            self._collect(string)
            return out
        return self._unsaid("".join(self._steps(text, sliced=False)))

    def pieces(self, text: str) -> Iterator[str]:
        """As `feed`, in slices each of which takes a fraction of a millisecond."""
        return map(self._unsaid, self._steps(text, sliced=True))

    def close(self, natural: bool = True) -> str:
        """End the text; gives what a natural end releases, or nothing."""
        out: list[str] = []
        if natural and not self._closed:
            if self._string is None and self._token:
                out.extend(self._last_token())
            if self._string is not None:
                out.extend(self._string.plain(self._token, sliced=False))
        if self._string is not None:
            out.append(self._string.stream.close(natural))
            self._collect(self._string)
        self._closed, self._token = True, ""
        return self._unsaid("".join(out))

    def _unsaid(self, out: str) -> str:
        """What goes out without the token that the client has already."""
        gone = min(self._gone, len(out))
        self._gone -= gone
        return out[gone:]

    def _steps(self, text: str, *, sliced: bool) -> Iterator[str]:
        text, at = self._token + text, 0
        while at < len(text) and not self._closed:
            step = self._between if self._string is None else self._within
            taken, out = step(text, at, sliced)
            yield from out
            if self._string is not None:
                self._collect(self._string)
            if taken is None:
                break
            at += taken
            self._position += taken
        self._token = "" if self._closed else text[at:]

    def _between(self, text: str, at: int, sliced: bool) -> Step:
        """Take a token outside strings."""
        char = text[at]
        space = _SPACE.match(text, at)
        if space:
            return len(space[0]), (space[0],)
        if char == '"' and self._structure.string():
            self._open(quote=1)
            return 1, (char,)
        if char in _MARKS and self._structure.mark(char):
            return 1, (char,)
        if char in "-0123456789":
            return self._number(text, at)
        for literal in _LITERALS:
            if text.startswith(literal, at) and self._structure.scalar():
                return len(literal), (literal,)
            if literal.startswith(text[at:]):
                return WAIT
        return self._not_json()

    def _number(self, text: str, at: int) -> Step:
        number = _NUMBER_RUN.match(text, at)
        assert number is not None
        space = _SPACE.match(text, number.end())
        end = space.end() if space else number.end()
        if end == len(text) and end - at <= self._max_hold:
            return WAIT
        if end == len(text) or text[end] not in ",]}" or not self._scalar(number[0]):
            return self._not_json()
        return end - at, (self._redacted_number(number[0]), text[number.end() : end])

    def _scalar(self, number: str) -> bool:
        return _NUMBER.fullmatch(number) is not None and self._structure.scalar()

    def _redacted_number(self, number: str) -> str:
        string = self._open()
        out = "".join(string.plain(number, sliced=False)) + string.stream.close()
        self._collect(string)
        self._string = None
        return out if out == number else f'"{out}"'

    def _last_token(self) -> tuple[str, ...]:
        """What the text ends with, outside strings: a number after all, or no JSON."""
        number = self._token.rstrip(" \t\r\n")
        if self._scalar(number):
            space, self._token = self._token[len(number) :], ""
            return self._redacted_number(number), space
        self._not_json()
        return ()

    def _within(self, text: str, at: int, sliced: bool) -> Step:
        """Take a piece of a string, or of plain text."""
        string = self._string
        assert string is not None
        if text[at] == '"' and not self._plain:
            out = string.stream.close()
            self._collect(string)
            self._string = None
            return 1, (out, "" if self._closed else '"')
        if text[at] == "\\":
            return _escape(string, text, at)
        run = (_PLAIN_RUN if self._plain else _RUN).match(text, at)
        assert run is not None
        return len(run[0]), string.plain(run[0], sliced)

    def _not_json(self) -> Step:
        self._plain = True
        self._open().emitter.quoted = False
        return 0, ()

    def _open(self, quote: int = 0) -> _Spelled:
        self._string = _Spelled(*self._open_text(), self._position + quote)
        return self._string

    def _collect(self, string: _Spelled) -> None:
        self.matches.extend(string.matches())
        if string.stream.blocked is not None:
            self.blocked = string.stream.blocked
            self._closed = True


def _escape(string: _Spelled, text: str, at: int) -> Step:
    """Take an escape, two of them for a surrogate pair."""
    escape = _ESCAPE.match(text, at)
    if escape is None:
        if _UNFINISHED.fullmatch(text, at):
            return WAIT
        return 1, string.plain("\\", sliced=False)
    spelling = escape[0]
    if _HIGH.fullmatch(spelling):
        if _LOW_UNFINISHED.fullmatch(text, escape.end()):
            return WAIT
        low = _LOW.match(text, escape.end())
        if low:
            high_bits, low_bits = int(spelling[2:], 16), int(low[0][2:], 16)
            char = chr(0x10000 + (high_bits - 0xD800) * 0x400 + low_bits - 0xDC00)
            return 12, (string.escaped(char, spelling + low[0]),)
    if spelling[1] == "u":
        return 6, (string.escaped(chr(int(spelling[2:], 16)), spelling),)
    return 2, (string.escaped(_SHORT.get(spelling[1], spelling[1]), spelling),)
