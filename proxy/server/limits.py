"""The bounds on a connection from a client."""

from dataclasses import dataclass
from typing import Final

BODY_RATE: Final = 32 * 1024
"""Bytes of a body that bring it another second: so a large one may come over a slow line, and one that only trickles
ends soon."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on a connection. Times are in seconds. `head`: from a request's first byte to its whole head. `body`: for
    the whole body, and one second more for each `BODY_RATE` bytes that came. `silence`: between two pieces of a body,
    and for a body that nobody wants to end. `write`: for the client to take more of a finished response; one whose
    system answers nothing has twice that. `head_bytes` bounds request line and headers."""

    head: float = 20
    body: float = 60
    silence: float = 30
    write: float = 30
    head_bytes: int = 64 * 1024
