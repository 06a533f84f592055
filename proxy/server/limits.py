"""The bounds on a connection from a client."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on a connection. Times are in seconds: from the first byte to the whole head, between two pieces of a
    body (or for a body that nobody wants to end), and for the client to take more of a finished response; one
    whose system answers nothing has twice that. `head_bytes` bounds request line and headers."""

    head: float = 20
    body: float = 30
    write: float = 30
    head_bytes: int = 64 * 1024
