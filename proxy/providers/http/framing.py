"""The bytes of one response's body, told from what is around them.

Rule: strict. Where a body ends decides whose bytes come next, so what two readers could take in two ways is an error,
not a guess. A line ends with CR LF; a size has nothing but digits. `plain` tells that nothing unusual was there.

`take` moves bytes out of what has come and gives what of them is content. Its work is bounded by how much it may take,
whatever a provider makes of it: a chunk of one byte costs six bytes.
"""

from typing import Final, Protocol

MAX_LINE: Final = 256
"""The longest line of a chunk's size, its extensions counted."""

MAX_TRAILERS: Final = 8 * 1024
"""Bytes of the lines behind the last chunk."""

MAX_DIGITS: Final = 15
"""Of a size."""

_HEX: Final = b"0123456789abcdefABCDEF"


class Malformed(Exception):
    """A response that is not HTTP as this gateway takes it. Its text says what it does, for `The provider … .`"""


class Framing(Protocol):
    """Where one body ends. `over`: it has."""

    over: bool
    plain: bool

    @property
    def until_closed(self) -> bool:
        """Whether it ends where its connection does."""

    @property
    def between(self) -> bool:
        """Whether a chunk's size comes next."""

    def take(self, raw: bytearray, most: int) -> bytes:
        """Take up to `most` bytes off `raw`; gives the content among them. Raises `Malformed`."""


class Chunked:
    """`transfer-encoding: chunked`."""

    __slots__ = ("_left", "_trailers", "over", "plain")

    until_closed = False

    def __init__(self) -> None:
        self.over = False
        self.plain = True
        self._left = 0
        """What is to come of the chunk at hand, with its line end."""
        self._trailers: int | None = None
        """Bytes of trailers so far, once the last chunk was there."""

    @property
    def between(self) -> bool:
        """See `Framing.between`."""
        return not self._left and self._trailers is None

    def take(self, raw: bytearray, most: int) -> bytes:
        """See `Framing.take`."""
        window = bytes(raw[:most])
        pieces: list[bytes] = []
        at = 0
        while at < len(window) and not self.over:
            if self._left > 2:
                piece = window[at : at + self._left - 2]
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
            elif self._left:
                at += self._line_end(window[at : at + self._left])
            else:
                end = _line(window, at)
                if end < 0:
                    break
                self._read(window[at:end])
                at = end + 2
        del raw[:at]
        return b"".join(pieces)

    def _line_end(self, piece: bytes) -> int:
        if piece != b"\r\n"[-self._left :][: len(piece)]:
            raise Malformed("sent a chunk that is longer than its size says")
        self._left -= len(piece)
        return len(piece)

    def _read(self, line: bytes) -> None:
        """A line that is no content: a chunk's size, or a trailer."""
        if self._trailers is not None:
            self._trailer(line)
            return
        size, semicolon, _ = line.partition(b";")
        digits = size.rstrip(b" \t")
        if not digits or len(digits) > MAX_DIGITS or digits.strip(_HEX):
            raise Malformed("sent a chunk without a size")
        self.plain = self.plain and not semicolon
        length = int(digits, 16)
        if length:
            self._left = length + 2
        else:
            self._trailers = 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.over = True
            return
        self.plain = False
        self._trailers = (self._trailers or 0) + len(line)
        if self._trailers > MAX_TRAILERS:
            raise Malformed("sent too many trailers")


class Sized:
    """`content-length`, or no body at all."""

    __slots__ = ("_left", "over", "plain")

    between = False
    until_closed = False

    def __init__(self, size: int) -> None:
        self.plain = True
        self.over = not size
        self._left = size

    def take(self, raw: bytearray, most: int) -> bytes:
        """See `Framing.take`."""
        data = bytes(raw[: min(most, self._left)])
        del raw[: len(data)]
        self._left -= len(data)
        self.over = not self._left
        return data


class UntilClosed:
    """A body that ends where its connection does."""

    __slots__ = ("over", "plain")

    between = False
    until_closed = True

    def __init__(self) -> None:
        self.over = False
        self.plain = False

    def take(self, raw: bytearray, most: int) -> bytes:
        """See `Framing.take`."""
        data = bytes(raw[:most])
        del raw[:most]
        return data


def _line(window: bytes, at: int) -> int:
    """Where the line ends that begins at `at`; -1 if its end has not come."""
    end = window.find(b"\n", at, at + MAX_LINE)
    if end < 0:
        if len(window) - at >= MAX_LINE:
            raise Malformed("sent a line without end between its chunks")
        return -1
    if end == at or window[end - 1] != 13 or window.find(b"\r", at, end - 1) >= 0:
        raise Malformed("sent a broken line between its chunks")
    return end - 1
