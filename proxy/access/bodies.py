"""The memory that requests' bodies take together, in bytes: bounded for all, and for each client.

Rule: bytes are taken before, or as soon as, they are held, and given back by the request that took them, whatever ends
it. Who finds too little is refused at once: waiting would hold what has already come.
"""

from proxy.access.slots import Overloaded
from proxy.errors import InvalidRequest


class Bodies:
    """`most` bytes, of which one client may hold `share`."""

    def __init__(self, most: int, share: int) -> None:
        self.held = 0
        self._most = most
        self._share = share
        self._clients: dict[str, int] = {}

    def resize(self, most: int, share: int) -> None:
        """Other bounds from here on. What is held stays."""
        self._most, self._share = most, share

    def lease(self, client: str) -> "Lease":
        """A request of `client` begins; it holds nothing yet."""
        return Lease(self, client)

    def check(self, client: str, more: int, own: int) -> None:
        """Raises `Overloaded` when `more` bytes are not there for a request that holds `own`, and `InvalidRequest`
        (413) when they never will be."""
        if own + more > self._share:
            message = (
                f"The body and what it is parsed into take more than the {self._share} bytes that the requests of one "
                "client may hold (server.max_inflight_mb): send less."
            )
            raise InvalidRequest(message, status=413, code="request_too_large")
        if self.held + more > self._most:
            raise _overloaded("The gateway's requests hold")
        if self._clients.get(client, 0) + more > self._share:
            raise _overloaded("Your other requests hold")

    def add(self, client: str, more: int) -> None:
        """Count `more` bytes, or fewer where it is negative."""
        self.held += more
        left = self._clients.get(client, 0) + more
        if left > 0:
            self._clients[client] = left
        else:
            self._clients.pop(client, None)


class Lease:
    """What one request holds of the bytes. Give it back with `release`."""

    __slots__ = ("_bodies", "_client", "held")

    def __init__(self, bodies: Bodies, client: str) -> None:
        self.held = 0
        self._bodies = bodies
        self._client = client

    def check(self, size: int) -> None:
        """Whether the request could hold `size` bytes. Raises `Overloaded` and `InvalidRequest` if not."""
        self._bodies.check(self._client, size - self.held, self.held)

    def hold(self, size: int) -> None:
        """Hold `size` bytes, in place of those it held. Raises `Overloaded` and `InvalidRequest`; then nothing
        changes."""
        if size > self.held:
            self.check(size)
        self._bodies.add(self._client, size - self.held)
        self.held = size

    def release(self) -> None:
        """The request holds nothing any more."""
        self._bodies.add(self._client, -self.held)
        self.held = 0


def _overloaded(whose: str) -> Overloaded:
    message = f"{whose} as much memory as they may (server.max_inflight_mb): try again shortly."
    return Overloaded(message, retry_after=1)
