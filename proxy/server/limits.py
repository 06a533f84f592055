"""Limits of a connection from a client."""

from dataclasses import dataclass
from typing import Final

BODY_RATE: Final = 32 * 1024
"""Bytes of a body that extend its deadline by a second. A large body may use a slow line, but one that
trickles is cut.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a connection. Times are in seconds.

    - `head`: from a request's first byte to its complete head.
    - `body`: for the whole body, plus one second for each `BODY_RATE` bytes received.
    - `silence`: between two pieces of a body, and for the rest of a body that is discarded.
    - `write`: for the client to read more of a finished response. A client whose system does not answer has twice that.
    - `head_bytes`: the size of the request line and headers.
    """

    head: float = 20
    body: float = 60
    silence: float = 30
    write: float = 30
    head_bytes: int = 64 * 1024
