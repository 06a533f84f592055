"""A connection's transport that is none, and bytes in pieces for it."""

import asyncio
import itertools
from collections.abc import Sequence


class Wire(asyncio.Transport):
    """A transport of which only the reading's state is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = False
        self.closed = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """`data` in pieces, cut at these places."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in itertools.pairwise(places)]
