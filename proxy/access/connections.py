"""The connections from clients: how many there may be, and which of them make room for others.

Rule: file descriptors are left for the providers: half of them, but for a few. Where there are as many connections as
may be, one is closed for each new one: that which has waited longest for a request, or else that whose request has
been arriving longest. Where all are at work, a new one is refused. The log tells when this begins and when it is over,
not each connection.
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
"""File descriptors for what is neither a client nor a provider: listeners, logs, exporters, files that are read."""

MAX_DESCRIPTORS: Final = 2**20
"""The limit that the process asks for, if the system would give more."""

FEWEST: Final = 8
"""Connections that there may be however low the limit of the process is."""

MAX_LOOKED_AT: Final = 8
"""The oldest waiting connections among which one is looked for that has nothing left to send."""

ROOM: Final = 0.9
"""The share of connections below which there is room again."""

CALM: Final = 10.0
"""Seconds from when room became short until it is told that there is room again, at the least."""

GRACE: Final = 1.0
"""Seconds that a connection gets to bring a request's head, or its body, if there is another to close."""

MADE_FREE: Final = 16
"""Connections that are closed when the system has no descriptor left."""


NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""What the system says where the process, or the machine, has no descriptor left."""


class Closable(Protocol):
    """A connection."""

    def abort(self) -> None:
        """Close it at once."""

    def idle(self) -> bool:
        """Whether it has nothing left to send."""


class Connections:
    """All connections; at most `most`. `closed` ones made room, `refused` ones were new."""

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
        """Those that hold a descriptor and were not told to close."""
        return len(self._all) - len(self._leaving)

    def opened(self, connection: Closable) -> bool:
        """There is a new connection, and it waits for a request. False: there is no room for it."""
        self._all.add(connection)
        excess = len(self) - self.most
        if excess > 0:
            self._is_short(f"the {self.most} that the limit of open files leaves for clients are in use")
            excess -= self._make_room(excess)
        self._waiting[connection] = time.monotonic()  # even if it is refused: it is the first to go if it stays
        if excess > 0:
            self.refused += 1
        return excess <= 0

    def waits(self, connection: Closable) -> None:
        """It waits for its next request, or for the client to end it."""
        if connection in self._all and connection not in self._leaving:
            self._receiving.pop(connection, None)
            self._waiting.pop(connection, None)
            self._waiting[connection] = time.monotonic()

    def receives(self, connection: Closable) -> None:
        """It has a request's head, and the body is to come."""
        self._waiting.pop(connection, None)
        if connection not in self._leaving:
            self._receiving[connection] = time.monotonic()

    def works(self, connection: Closable) -> None:
        """It has a whole request."""
        self._receiving.pop(connection, None)

    def gone(self, connection: Closable) -> None:
        """It is closed."""
        self._all.discard(connection)
        self._leaving.discard(connection)
        self._waiting.pop(connection, None)
        self._receiving.pop(connection, None)

    def look(self) -> None:
        """Look whether the system has descriptors left, and whether there is room again. To be called now and then."""
        if not _has_descriptors():
            self._is_short("the process has no file descriptor left")
            self._make_room(MADE_FREE)
        elif self._short_since is not None and len(self) <= ROOM * self.most:
            if time.monotonic() < self._short_since + CALM:
                return
            self._short_since = None
            closed, refused = self.closed - self._told[0], self.refused - self._told[1]
            log.info("connections: there is room again; %d idle ones closed, %d new ones refused", closed, refused)

    def _is_short(self, why: str) -> None:
        if self._short_since is None:
            self._short_since, self._told = time.monotonic(), (self.closed, self.refused)
            remedy = "raise the limit (ulimit -n), or run more gateways"
            log.warning("connections: %s; idle ones are closed first, then new ones refused: %s", why, remedy)

    def _make_room(self, wanted: int) -> int:
        """Close up to so many that are not at work; how many were."""
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
        """Those that wait; but where all have come just now, those whose requests have been arriving for longer."""
        late = time.monotonic() - GRACE
        for those in (self._waiting, self._receiving):
            if those and next(iter(those.values())) <= late:
                return those
        return self._waiting or self._receiving


def no_descriptors() -> Overloaded:
    """The error of a request for which no connection to its provider could be made."""
    message = "The gateway has no file descriptor left for a connection to the provider: try again shortly."
    return Overloaded(message, code="no_descriptors", retry_after=1)


def raise_limit() -> None:
    """Let the process have as many descriptors as the system allows. Shells and service managers start processes with
    fewer, for the sake of old programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            log.warning(
                "connections: the limit of open files stays at %d: the system lets it be raised no further", soft
            )


def allowed(max_streams: int) -> int:
    """How many connections from clients there may be: what the limit of descriptors leaves, and no more than four for
    each request at once and a thousand."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(FEWEST, min((limit - RESERVE) // 2, 4 * max_streams + 1000))


def _has_descriptors() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True
