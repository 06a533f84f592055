"""Redaction inside a streamed JSON text. The output parses wherever the input did.

Each string, key or value, is a text of its own, and matches never cross a quote. An escape (or a surrogate pair) counts
as its character and is sent as it was spelled. Labels are escaped. A number is held as a whole, with the white space
after it, until the next character shows its end. A number with a match becomes a quoted string.

Text that turns out not to be JSON continues as plain text from the last token. Escapes still read as their characters,
because a lenient reader would accept them and a secret must not pass in a broken spelling. The change releases no held
text. Raw control characters and unknown escapes in strings are taken as they are.
"""

import json
import re
from bisect import bisect_left
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
_NUMBER_ON: Final = re.compile(r"[0-9+\-.eE]*([ \t\r\n]*)")
_SPACE_ON: Final = re.compile(r"([ \t\r\n]*)")
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
"""The number of characters taken (None: the token is unfinished), and the output."""
WAIT: Final[Step] = (None, ())
MAX_WIDE: Final = 256
"""Maximum number of long spellings that are kept before unneeded ones are removed."""


class SpelledEmitter(Emitter):
    """Sends characters as they were spelled, and, if `quoted`, labels as JSON strings spell them."""

    __slots__ = ("quoted", "spellings")

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.spellings: dict[int, str] = {}
        self.quoted = True

    def forget(self, upto: int) -> None:
        before = self.base
        super().forget(upto)
        if self.spellings:
            for position in range(before, self.base):
                self.spellings.pop(position, None)

    def raw(self, start: int, end: int) -> str:
        text = super().raw(start, end)
        if not self.spellings:
            return text
        return "".join(self.spellings.get(start + i, ch) for i, ch in enumerate(text))

    def spell(self, label: str) -> str:
        return json.dumps(label, ensure_ascii=False)[1:-1] if self.quoted else label


OpenText = Callable[[], tuple[Stream, SpelledEmitter]]
"""Makes the stream of one string, and its emitter."""


class _Spelled:
    """One string: a stream of its characters, and their places in the JSON text.

    The stream is made for the first character, because many strings are empty. With `quoted`, labels are spelled as in
    JSON.
    """

    def __init__(self, open_text: OpenText, offset: int, *, quoted: bool = True) -> None:
        self.stream: Stream | None = None
        self.offset = offset
        self.quoted = quoted
        self._open_text = open_text
        self.length = 0
        self._kept = MAX_WIDE
        self._wide: list[int] = []  # where a character's spelling is longer than itself
        self._longer: list[int] = [0]  # how much longer all spellings up to there are, dropped ones included

    def plain(self, text: str, sliced: bool) -> Iterator[str]:
        if not sliced:
            return iter((self.run(text),))
        self.length += len(text)
        return (self.stream or self._begin()).pieces(text)

    def run(self, text: str) -> str:
        self.length += len(text)
        stream = self.stream or self._begin()
        emitter = self.emitter
        if not emitter.verbatim and emitter.base == emitter.emitted == stream.position:
            emitter.spellings.clear()
            emitter.verbatim = True
        return stream.feed(text)

    def escaped(self, char: str, spelling: str) -> str:
        stream = self.stream or self._begin()
        self.emitter.spellings[self.length] = spelling
        self.emitter.verbatim = False
        if len(self._wide) >= 2 * self._kept:
            self._forget(stream)
        self._wide.append(self.length)
        self._longer.append(self._longer[-1] + len(spelling) - 1)
        self.length += 1
        return stream.feed(char)

    def close(self, natural: bool = True) -> str:
        return "" if self.stream is None else self.stream.close(natural)

    @property
    def held(self) -> int:
        return 0 if self.stream is None else self.stream.held

    @property
    def blocked(self) -> str | None:
        return None if self.stream is None else self.stream.blocked

    def _begin(self) -> Stream:
        self.stream, self.emitter = self._open_text()
        self.emitter.quoted = self.quoted
        return self.stream

    def matches(self) -> list[Match]:
        """Return the new matches, at their places in the JSON text."""
        if self.stream is None or not self.stream.matches:
            return []
        new = [Match(rule, self._place(start), self._place(end)) for rule, start, end in self.stream.matches]
        self.stream.matches.clear()
        return new

    def _place(self, index: int) -> int:
        return self.offset + index + self._longer[bisect_left(self._wide, index)]

    def _forget(self, stream: Stream) -> None:
        """Drop the spellings before all future matches."""
        gone = bisect_left(self._wide, stream.oldest)
        del self._wide[:gone], self._longer[:gone]
        self._kept = max(len(self._wide), MAX_WIDE)


class JsonStream:
    """A `Stream` for a JSON text. `open_text` makes the stream of one string, and its emitter."""

    def __init__(self, open_text: OpenText, max_hold: int) -> None:
        self.blocked: str | None = None
        self.matches: list[Match] = []
        self._open_text = open_text
        self._max_hold = max_hold
        self._structure = Structure()
        self._string: _Spelled | None = None
        self._plain = False
        self._token: list[str] = []  # pieces of an unfinished token: a number, a literal, an escape
        self._size = 0  # its length
        self._onward: re.Pattern[str] | None = None  # text that only makes it longer, for a number
        self._position = 0
        self._gone = 0
        self._closed = False

    @property
    def held(self) -> int:
        """The characters taken and not yet sent, redacted or swallowed. A finished escape counts as one."""
        return self._size + (self._string.held if self._string is not None else 0)

    @property
    def position(self) -> int:
        """The number of characters taken."""
        return self._position + self._size

    def skip(self) -> None:
        """Drop all held text, because it was sent to the client in another way (see `Stream.skip`)."""
        if self._string is not None and self._string.stream is not None:
            self._string.stream.skip()
        self._gone = self._size

    def feed(self, text: str) -> str:
        """Take the next characters. Return the text that can be sent."""
        string = self._string
        if string is not None and not self._token and not self._gone and not self._closed and not _SPECIAL.search(text):
            self._position += len(text)
            out = string.run(text)
            self._collect(string)
            return out
        return self._unsaid("".join(self._steps(text, sliced=False)))

    def pieces(self, text: str) -> Iterator[str]:
        """Do the work of `feed` in slices of less than a millisecond."""
        return map(self._unsaid, self._steps(text, sliced=True))

    def close(self, natural: bool = True) -> str:
        """End the text. Return what a natural end releases, or nothing."""
        out: list[str] = []
        token = "".join(self._token)
        if natural and not self._closed:
            if self._string is None and token:
                token = self._last_token(token, out)
            if self._string is not None:
                out.extend(self._string.plain(token, sliced=False))
        if self._string is not None:
            out.append(self._string.close(natural))
            self._collect(self._string)
        self._closed, self._onward = True, None
        self._keep("")
        return self._unsaid("".join(out))

    def _unsaid(self, out: str) -> str:
        """Return the output without the token that the client already has."""
        if not self._gone:
            return out
        gone = min(self._gone, len(out))
        self._gone -= gone
        return out[gone:]

    def _steps(self, text: str, *, sliced: bool) -> Iterator[str]:
        if self._onward is not None and self._goes_on(self._onward, text):
            return
        text, at = "".join((*self._token, text)), 0
        self._onward = None
        while at < len(text) and not self._closed:
            step = self._between if self._string is None else self._within
            taken, out = step(text, at, sliced)
            for piece in out:
                if self._string is not None:
                    self._collect(self._string)
                yield piece
            if taken is None:
                break
            at += taken
            self._position += taken
        self._keep("" if self._closed else text[at:])

    def _keep(self, token: str) -> None:
        """Keep an unfinished token."""
        self._token, self._size = [token] if token else [], len(token)

    def _goes_on(self, onward: re.Pattern[str], text: str) -> bool:
        """Take text if it only makes a number longer, and return true if so. A number in many pieces is then
        read once.
        """
        more = onward.fullmatch(text)
        if more is None or self._size + len(text) > self._max_hold:
            return False
        if more[1]:
            self._onward = _SPACE_ON
        self._token.append(text)
        self._size += len(text)
        return True

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
            if literal.startswith(text[at : at + len(literal) + 1]):
                return WAIT
        return self._not_json()

    def _number(self, text: str, at: int) -> Step:
        number = _NUMBER_RUN.match(text, at)
        assert number is not None
        space = _SPACE.match(text, number.end())
        end = space.end() if space else number.end()
        if end - at > self._max_hold:
            return self._not_json()
        if end == len(text):
            self._onward = _SPACE_ON if space else _NUMBER_ON
            return WAIT
        if text[end] not in ",]}" or not self._scalar(number[0]):
            return self._not_json()
        return end - at, (self._redacted_number(number[0]), text[number.end() : end])

    def _scalar(self, number: str) -> bool:
        return _NUMBER.fullmatch(number) is not None and self._structure.scalar()

    def _redacted_number(self, number: str) -> str:
        string = self._open()
        out = "".join(string.plain(number, sliced=False)) + string.close()
        self._collect(string)
        self._string = None
        return out if out == number else f'"{out}"'

    def _last_token(self, token: str, out: list[str]) -> str:
        """End the text outside strings: the last token is a number, or not JSON. Return what is left of it then."""
        number = token.rstrip(" \t\r\n")
        if self._scalar(number):
            out += (self._redacted_number(number), token[len(number) :])
            return ""
        self._not_json()
        return token

    def _within(self, text: str, at: int, sliced: bool) -> Step:
        """Take a piece of a string, or of plain text."""
        string = self._string
        assert string is not None
        if text[at] == '"' and not self._plain:
            out = string.close()
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
        self._open(quoted=False)
        return 0, ()

    def _open(self, quote: int = 0, *, quoted: bool = True) -> _Spelled:
        self._string = _Spelled(self._open_text, self._position + quote, quoted=quoted)
        return self._string

    def _collect(self, string: _Spelled) -> None:
        self.matches.extend(string.matches())
        blocked = string.blocked
        if blocked is not None:
            self.blocked = blocked
            self._closed = True


def _escape(string: _Spelled, text: str, at: int) -> Step:
    """Take an escape, or two of them for a surrogate pair."""
    escape = _ESCAPE.match(text, at)
    if escape is None:
        if _UNFINISHED.fullmatch(text, at):
            return WAIT
        return 1, string.plain("\\", sliced=False)
    spelling = escape[0]
    if spelling[1] != "u":
        return 2, (string.escaped(_SHORT.get(spelling[1], spelling[1]), spelling),)
    if _HIGH.fullmatch(spelling):
        if _LOW_UNFINISHED.fullmatch(text, escape.end()):
            return WAIT
        low = _LOW.match(text, escape.end())
        if low:
            high_bits, low_bits = int(spelling[2:], 16), int(low[0][2:], 16)
            char = chr(0x10000 + (high_bits - 0xD800) * 0x400 + low_bits - 0xDC00)
            return 12, (string.escaped(char, spelling + low[0]),)
    return 6, (string.escaped(chr(int(spelling[2:], 16)), spelling),)
