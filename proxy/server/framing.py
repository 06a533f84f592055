"""Limits on the bytes of a request that are neither parsed headers nor its body. Pure.

The parser keeps a header until it is complete. It skips the extensions of chunks and the leading zeros of their sizes.
It limits none of these. All bytes that bring no body are therefore counted as they arrive.
"""

from typing import Final

MAX_FRAMING: Final = 64 * 1024
"""Bytes allowed between the pieces of a chunked body before they are compared with the size of the body."""

FRAMING_PER_BYTE: Final = 4
"""Additional bytes of framing allowed for each byte of a body. A chunk for each byte needs more than this."""


class Framing:
    """Counter of framing bytes for one connection.

    `barren` counts the bytes since the last byte of a body, or since a part of the request ended.
    """

    __slots__ = ("_body", "_fed", "_framing", "_turned", "barren")

    def __init__(self) -> None:
        self.barren = 0
        self._turned = False
        self._fed = 0
        self._body = 0
        self._framing = 0

    def turn(self) -> None:
        """Mark that a part of the request began or ended within the current bytes.

        These bytes do not count, because it is unknown which part they belong to.
        """
        self._turned = True

    def body(self, size: int) -> None:
        """Count `size` of the current bytes as the request's body."""
        self._fed += size

    def received(self, size: int) -> None:
        """Count the current bytes, after the parser has read them."""
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
        """Return true if the framing is out of proportion to the body."""
        return self._framing > MAX_FRAMING + FRAMING_PER_BYTE * self._body
