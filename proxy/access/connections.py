"""Connections from clients: their limit, and the choice of those that are closed for new ones.

Half of the file descriptors, apart from a few, are reserved for providers. At the limit, each new connection closes an
old one: the one that has waited longest for a request, or else the one whose request has been arriving longest. If all
connections are busy, the new one is rejected. The log reports the beginning and the end of a shortage, not each
connection.
"""

import errno
import itertools
import logging
import os
import resource
import time
from typing import Final, Protocol

from proxy.access.slots import Overloaded

log = logging.getLogger("sluice")

RESERVE: Final = 64
"""File descriptors for everything except clients and providers: listeners, logs, exporters, files."""

MAX_DESCRIPTORS: Final = 2**20
"""Maximum limit of descriptors that the process asks the system for."""

FEWEST: Final = 8
"""Minimum number of connections, however low the process limit is."""

MAX_LOOKED_AT: Final = 8
"""Number of oldest waiting connections that are searched for one with nothing left to send."""

ROOM: Final = 0.9
"""Share of connections below which the shortage is over."""

CALM: Final = 10.0
"""Minimum seconds from the start of a shortage to the report of its end."""

GRACE: Final = 1.0
"""Seconds for a connection to deliver a request's head or body before it may be closed for another."""

MADE_FREE: Final = 16
"""Number of connections closed when the system has no descriptor left."""


NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors that mean: the process or the machine has no descriptor left."""


class Closable(Protocol):
    """A connection that can be closed."""

    def abort(self) -> None:
        """Close it at once."""

    def idle(self) -> bool:
        """Return true if nothing is left to send."""


class Connections:
    """All connections, at most `most`. `closed` counts closed ones, and `refused` rejected new ones."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.closed = 0
        self.refused = 0
        self._all: set[Closable] = set()
        self._waiting: dict[Closable, float] = {}
        self._receiving: dict[Closable, float] = {}
        self._leaving: set[Closable] = set()
        self._short_since: float | None = None
        self._told = (0, 0)

    def __len__(self) -> int:
        """Count connections with a descriptor that were not told to close."""
        return len(self._all) - len(self._leaving)

    def opened(self, connection: Closable) -> bool:
        """Add a new connection, which waits for a request. Return false if there is no room for it."""
        self._all.add(connection)
        excess = len(self) - self.most
        if excess > 0:
            self._is_short(f"the {self.most} that the limit of open files leaves for clients are in use")
            excess -= self._make_room(excess)
        self._waiting[connection] = time.monotonic()  # even if it is rejected: it is closed first if it stays
        if excess > 0:
            self.refused += 1
        return excess <= 0

    def waits(self, connection: Closable) -> None:
        """Mark that it waits for its next request, or for the client to close."""
        if connection in self._all and connection not in self._leaving:
            self._receiving.pop(connection, None)
            self._waiting.pop(connection, None)
            self._waiting[connection] = time.monotonic()

    def receives(self, connection: Closable) -> None:
        """Mark that it has a request's head and expects the body."""
        self._waiting.pop(connection, None)
        if connection not in self._leaving:
            self._receiving[connection] = time.monotonic()

    def works(self, connection: Closable) -> None:
        """Mark that it has a complete request."""
        self._receiving.pop(connection, None)

    def gone(self, connection: Closable) -> None:
        """Mark that it is closed."""
        self._all.discard(connection)
        self._leaving.discard(connection)
        self._waiting.pop(connection, None)
        self._receiving.pop(connection, None)

    def look(self) -> None:
        """Check if descriptors are available and if the shortage is over. Call it periodically."""
        if not _has_descriptors():
            self._is_short("the process has no file descriptor left")
            self._make_room(MADE_FREE)
        elif self._short_since is not None and len(self) <= ROOM * self.most:
            if time.monotonic() < self._short_since + CALM:
                return
            self._short_since = None
            closed, refused = self.closed - self._told[0], self.refused - self._told[1]
            log.info(
                "connections: the shortage is over, %d idle ones were closed and %d new ones rejected", closed, refused
            )

    def _is_short(self, why: str) -> None:
        if self._short_since is None:
            self._short_since, self._told = time.monotonic(), (self.closed, self.refused)
            remedy = "raise the limit (ulimit -n), or run more gateways"
            log.warning("connections: %s; idle ones are closed first, then new ones refused: %s", why, remedy)

    def _make_room(self, wanted: int) -> int:
        """Close up to `wanted` connections that are not busy. Return how many were closed."""
        made = 0
        while made < wanted and (those := self._least_wanted()):
            oldest = list(itertools.islice(those, MAX_LOOKED_AT))
            chosen = next((one for one in oldest if one.idle()), oldest[0])
            del those[chosen]
            self._leaving.add(chosen)
            self.closed += 1
            made += 1
            chosen.abort()
        return made

    def _least_wanted(self) -> dict[Closable, float]:
        """Return the waiting connections. If all of them are new, return those whose requests have been arriving
        longer.
        """
        late = time.monotonic() - GRACE
        for those in (self._waiting, self._receiving):
            if those and next(iter(those.values())) <= late:
                return those
        return self._waiting or self._receiving


def no_descriptors() -> Overloaded:
    """Make the error of a request that got no connection to its provider."""
    message = "The gateway has no file descriptor left for a connection to the provider: try again shortly."
    return Overloaded(message, code="no_descriptors", retry_after=1)


def raise_limit() -> None:
    """Raise the process's limit of descriptors to the system's maximum.

    For the sake of old programs, shells and service managers start processes with a lower limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            log.warning(
                "connections: the limit of open files stays at %d: the system does not allow a higher one", soft
            )


def allowed(max_streams: int) -> int:
    """Compute the limit of connections from clients.

    It is what the limit of descriptors leaves, but at most four for each concurrent request plus a thousand.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(FEWEST, min((limit - RESERVE) // 2, 4 * max_streams + 1000))


def _has_descriptors() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True
