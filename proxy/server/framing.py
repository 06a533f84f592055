"""Bounds on the bytes of a request that are neither parsed headers nor its body. Pure.

The parser keeps a header until it is complete, skips the extensions of chunks, and skips leading zeros of their sizes:
all without a bound of its own. Rule: bytes that bring no body are counted as they arrive, whatever they are.
"""

from typing import Final

MAX_FRAMING: Final = 64 * 1024
"""Bytes between the pieces of a chunked body, before they are held against the size of the body."""

FRAMING_PER_BYTE: Final = 4
"""The further bytes of framing that each byte of a body brings: less than a chunk for each byte needs."""


class Framing:
    """Counts for one connection. `barren` bytes came since the last byte of a body, or since a part of the request
    ended."""

    __slots__ = ("_body", "_fed", "_framing", "_turned", "barren")

    def __init__(self) -> None:
        self.barren = 0
        self._turned = False
        self._fed = 0
        self._body = 0
        self._framing = 0

    def turn(self) -> None:
        """A part of the request has begun or ended within the bytes at hand. What of them belongs to which part is not
        known, so they do not count."""
        self._turned = True

    def body(self, size: int) -> None:
        """Some of the bytes at hand are the request's body."""
        self._fed += size

    def received(self, size: int) -> None:
        """The parser has read the bytes at hand."""
        fed, self._fed = self._fed, 0
        if self._turned:
            self._turned = False
            self.barren = self._body = self._framing = 0
            return
        self._body += fed
        self._framing += size - fed
        self.barren = 0 if fed else self.barren + size

    @property
    def too_much(self) -> bool:
        """Whether the framing is out of proportion to the body."""
        return self._framing > MAX_FRAMING + FRAMING_PER_BYTE * self._body
