"""The requests in flight: how many there may be, cancelling one by its id, ending all of them."""

from dataclasses import dataclass, field

from proxy.access.keys import Client
from proxy.errors import NotFound
from proxy.interrupts import Interrupts, Reason
from proxy.slots import Slots


@dataclass(slots=True)
class Streams:
    """The registry of requests in flight. Each has one of the `slots` from before its body is read. `draining` is true
    once the process was told to end."""

    slots: Slots
    draining: bool = False
    _running: dict[str, tuple[Interrupts, Client]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._running)

    def add(self, id: str, interrupts: Interrupts, client: Client) -> None:
        """A request has begun."""
        self._running[id] = (interrupts, client)

    def remove(self, id: str) -> None:
        """A request is over."""
        self._running.pop(id, None)

    def cancel(self, id: str, client: Client) -> None:
        """Stop the request `id`, which `client` must have started (or be an admin). Raises `NotFound` otherwise: who
        may not stop a stream is not told that it exists."""
        interrupts, owner = self._running.get(id, (None, None))
        if interrupts is None or owner is None or not (client.admin or client.name == owner.name):
            raise NotFound(f"No stream {id[:64]!r} is in flight: it may have ended already.", code="stream_not_found")
        interrupts.fire(Reason.CANCELLED)

    def drain(self) -> None:
        """End all requests, each with an error its client can see."""
        for interrupts, _ in list(self._running.values()):
            interrupts.fire(Reason.DRAINED)
