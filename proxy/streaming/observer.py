"""Observers of requests as they go: they are told when each attempt begins and ends.

An observer sees records and, if it listens, what the client is sent after the policies; what it raises is its own
failure and must not reach the request.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from policies.events import Event
from proxy.accounting.record import AttemptRecord, Record
from proxy.providers.base import Call

NO_HEADERS: Mapping[str, str] = {}

Listener: TypeAlias = Callable[[Sequence[Event]], None]


class Observer(Protocol):
    """Watch one request, from its arrival to its end."""

    listener: Listener | None
    """Takes the events that go to the client, where messages are to be captured; else None, and costs nothing."""

    def attempt(self, attempt: AttemptRecord, call: Call) -> Mapping[str, str]:
        """Note that an attempt begins. Return the headers that carry the trace's context to its provider."""

    def attempted(self, attempt: AttemptRecord) -> None:
        """Note that the attempt is over. Told once for each."""

    def over(self, record: Record) -> None:
        """Note that the request is over. Told once."""


class Unobserved:
    """An observer for requests that nobody watches."""

    listener: Listener | None = None

    def attempt(self, attempt: AttemptRecord, call: Call) -> Mapping[str, str]:
        """See `Observer.attempt`."""
        return NO_HEADERS

    def attempted(self, attempt: AttemptRecord) -> None:
        """See `Observer.attempted`."""

    def over(self, record: Record) -> None:
        """See `Observer.over`."""
