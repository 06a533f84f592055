"""The requests in flight: their number and progress, the cancel of one by its id, the end of all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from proxy.access.keys import Client
from proxy.access.slots import Slots
from proxy.accounting.record import Record
from proxy.errors import NotFound
from proxy.streaming.interruption import Interruption, Reason


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a request: tokens of the answer that the provider has sent (reported or estimated), bytes that
    the client got, characters that policies hold."""

    tokens: int = 0
    bytes: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class InFlight:
    """A request in flight. `progress` looks at it when asked: a request that nobody looks at has no work with it.
    `given` is the id that its client gave it, or else its own."""

    record: Record
    interruption: Interruption
    client: Client
    progress: Callable[[], Progress] = Progress
    given: str = ""


@dataclass(slots=True)
class Streams:
    """The registry of requests in flight. Each has one of the `slots` from before its body is read. `draining` is true
    once the process was told to end."""

    slots: Slots
    draining: bool = False
    _running: dict[str, InFlight] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[InFlight]:
        """Yield the requests in flight, the oldest first."""
        return iter(list(self._running.values()))

    def add(self, request: InFlight) -> None:
        """Add a request that has begun."""
        self._running[request.record.id] = request

    def remove(self, id: str) -> None:
        """Remove a request that is over."""
        self._running.pop(id, None)

    def cancel(self, id: str, client: Client) -> None:
        """Stop the request `id`, which `client` must have started (or be an admin). An id that the client gave it
        will do, because it knows no other before a whole answer is there. Raises `NotFound` otherwise, so that nobody
        else is told that the request exists."""
        request = self._running.get(id) or self._given(id, client)
        if request is None or not (client.admin or client.name == request.client.name):
            raise NotFound(f"No stream {id[:64]!r} is in flight: it may have ended already.", code="stream_not_found")
        request.interruption.fire(Reason.CANCELLED)

    def _given(self, id: str, client: Client) -> InFlight | None:
        """Return the client's newest request that it gave this id."""
        return next((one for one in reversed(list(self)) if one.given == id and one.client.name == client.name), None)

    def drain(self) -> None:
        """End all requests, each with an error its client can see."""
        for request in self:
            request.interruption.fire(Reason.DRAINED)
