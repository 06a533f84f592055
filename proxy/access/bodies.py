"""Memory of all request bodies together, in bytes, limited in total and for each client.

Bytes are reserved before they are held, or as soon as they are. The request that reserved them releases them, however
it ends. A request without enough memory is rejected at once, because a waiting request would keep the memory that it
already has.
"""

from proxy.access.slots import Overloaded
from proxy.errors import InvalidRequest


class Bodies:
    """A budget of `most` bytes, of which one client may hold `share`."""

    def __init__(self, most: int, share: int) -> None:
        self.held = 0
        self._most = most
        self._share = share
        self._clients: dict[str, int] = {}

    def resize(self, most: int, share: int) -> None:
        """Change the limits. Memory that is held stays."""
        self._most, self._share = most, share

    def lease(self, client: str) -> "Lease":
        """Open the account of a request of `client`. It holds nothing yet."""
        return Lease(self, client)

    def check(self, client: str, more: int, own: int) -> None:
        """Check that a request that holds `own` bytes can get `more`.

        Raises `Overloaded` if they are not free now, and `InvalidRequest` (413) if they can never be free.
        """
        if own + more > self._share:
            message = (
                f"The body and its parsed form need more than the {self._share} bytes that the requests of one "
                "client may hold (server.max_inflight_mb): send less."
            )
            raise InvalidRequest(message, status=413, code="request_too_large")
        if self.held + more > self._most:
            raise _overloaded("The gateway's requests hold")
        if self._clients.get(client, 0) + more > self._share:
            raise _overloaded("Your other requests hold")

    def add(self, client: str, more: int) -> None:
        """Count `more` bytes, which may be negative."""
        self.held += more
        left = self._clients.get(client, 0) + more
        if left > 0:
            self._clients[client] = left
        else:
            self._clients.pop(client, None)


class Lease:
    """Memory that one request holds. Return it with `release`."""

    __slots__ = ("_bodies", "_client", "held")

    def __init__(self, bodies: Bodies, client: str) -> None:
        self.held = 0
        self._bodies = bodies
        self._client = client

    def check(self, size: int) -> None:
        """Check that the request could hold `size` bytes. Raises `Overloaded` and `InvalidRequest`."""
        self._bodies.check(self._client, size - self.held, self.held)

    def hold(self, size: int) -> None:
        """Hold `size` bytes instead of those held so far. Raises `Overloaded` and `InvalidRequest`, and then changes
        nothing.
        """
        if size > self.held:
            self.check(size)
        self._bodies.add(self._client, size - self.held)
        self.held = size

    def release(self) -> None:
        """Release all memory of the request."""
        self._bodies.add(self._client, -self.held)
        self.held = 0


def _overloaded(whose: str) -> Overloaded:
    message = f"{whose} all the memory that they may (server.max_inflight_mb): try again shortly."
    return Overloaded(message, retry_after=1)
