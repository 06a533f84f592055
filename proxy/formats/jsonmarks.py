"""What a JSON text is made of, counted without parsing it.

Rule: the counts are taken before a parser makes objects of the text, so that a bound on them is a bound on the memory
and the time that parsing takes. Everything runs in C, in slices, and counting yields between them. A count of text that
is not JSON is right up to where the text stops being JSON, and so is any parser.
"""

from collections.abc import Iterator
from typing import Final

from policies.steps import Steps

SLICE: Final = 1 << 18
"""Bytes that are looked at in one step."""

_VALUES: Final = b",:[{"
_CONTAINERS: Final = b"[{"


def _others(marks: bytes) -> bytes:
    return bytes(byte for byte in range(256) if byte not in marks)


_NO_VALUES: Final = _others(_VALUES)
_NO_CONTAINERS: Final = _others(_CONTAINERS)


def values(raw: bytes, most: int) -> Steps[int]:
    """Values and names of members in `raw`, at least as many as there are, but for one. Exact counting stops above
    `most`."""
    return _counted(raw, _NO_VALUES, most)


def containers(raw: bytes, most: int) -> Steps[int]:
    """Objects and arrays in `raw`, at least as many as there are. Exact counting stops above `most`."""
    return _counted(raw, _NO_CONTAINERS, most)


def _counted(raw: bytes, others: bytes, most: int) -> Steps[int]:
    count = 0
    for start in range(0, len(raw), SLICE):
        count += _marks(raw[start : start + SLICE], others)
        yield
    if count <= most:  # those in strings included: the usual case is over here
        return count
    count = 0
    for part in outside_strings(raw):
        count += _marks(part, others)
        if count > most:
            break
        yield
    return count


def _marks(text: bytes, others: bytes) -> int:
    return len(text.translate(None, others))


def without_escaped_backslashes(raw: bytes) -> Iterator[bytes]:
    """`raw` without its pairs of backslashes, in slices; no slice ends in the middle of an escape's first two
    characters."""
    kept = b""
    for start in range(0, len(raw), SLICE):
        piece = kept + raw[start : start + SLICE]
        odd = (len(piece) - len(piece.rstrip(b"\\"))) % 2
        kept = b"\\" * odd
        yield piece[: len(piece) - odd].replace(b"\\\\", b"")
    yield kept


def outside_strings(raw: bytes) -> Iterator[bytes]:
    """The parts of JSON text `raw` that are not in strings, without the quotation marks, joined slice by slice."""
    inside = 0
    for piece in without_escaped_backslashes(raw):
        parts = piece.replace(b'\\"', b"").split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1
