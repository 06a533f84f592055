"""A compressed body, read a little at a time.

We ask providers not to compress. Some proxy in between may do so all the same, so gzip and deflate are read; but a
kilobyte of them can be a megabyte of content, so no call makes more of it than it is asked for.
"""

import zlib
from typing import Final

from proxy.providers.http.framing import Malformed

_GZIP: Final = 16 + zlib.MAX_WBITS
_FORMS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}


class Inflate:
    """One body's. `pending`: there is more to have of what was given already."""

    __slots__ = ("_form", "_rest", "_zlib", "pending")

    def __init__(self, coding: str) -> None:
        form = _FORMS.get(coding.lower())
        if form is None:
            raise Malformed(f"compresses its answer as {coding[:40]!r}, although it was asked not to")
        self._form = form
        self._zlib = zlib.decompressobj(form)
        self._rest = b""
        self.pending = False

    def take(self, data: bytes, most: int) -> bytes:
        """The content of these bytes and of what is left of earlier ones, at most `most` of it. Raises `Malformed`."""
        data = self._rest + data
        pieces: list[bytes] = []
        while data or self.pending:
            try:
                pieces.append(piece := self._zlib.decompress(data, most))
            except zlib.error:
                raise Malformed("sent an answer whose compression is broken") from None
            most -= len(piece)
            data = self._zlib.unconsumed_tail
            self.pending = not most or bool(data)
            if self._zlib.eof:  # another may follow
                data = self._zlib.unused_data
                self._zlib = zlib.decompressobj(self._form)
                self.pending = bool(data) and not most
            if not most:
                break
        self._rest = data
        return b"".join(pieces)
