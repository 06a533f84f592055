"""All limits in time of one request, under one timer.

Each limit is a small object with the time `at` which it is due, in the event loop's clock. To set one is a plain
assignment. The timer moves only when a limit is due before the time that it is armed for, so a chunk costs no timer
call. A limit that passes interrupts the request's task. A keep-alive or a policy's time only wakes it.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from proxy.config.models import Timeouts
from proxy.streaming.interruption import Interruption, Reason

NEVER = math.inf

Clock = Callable[[], float]
_T = TypeVar("_T")


class ProviderLimit:
    """The time that the provider has: `first_token` seconds to begin its answer, then `idle` seconds for each chunk."""

    def __init__(self, limits: Timeouts, clock: Clock) -> None:
        self.at = NEVER
        self._first_token = limits.first_token
        self._first_token_at = NEVER
        self._idle = limits.idle
        self._begun = True
        self._clock = clock

    def begin_attempt(self) -> None:
        """Expect the first token of a new attempt."""
        self._begun = False
        self._first_token_at = self._clock() + self._first_token

    def first_token(self) -> None:
        """Expect the next chunk from here on: the answer has begun."""
        self._begun = True

    def begin_wait(self) -> None:
        """Run while the driver waits for the provider."""
        self.at = self._clock() + self._idle if self._begun else self._first_token_at

    def heard(self) -> None:
        """Begin anew: the provider was heard, and the driver waits on."""
        if self._begun:
            self.at = self._clock() + self._idle

    def rest(self) -> None:
        """Limit nothing until the next `begin_wait`."""
        self.at = NEVER

    def passed(self) -> Reason:
        """Rest, and tell which of the two limits has passed."""
        self.at = NEVER
        return Reason.IDLE if self._begun else Reason.FIRST_TOKEN


class WriteLimit:
    """The time that a client has to take something of what is sent to it. A client that takes a little is only slow."""

    def __init__(self, seconds: float) -> None:
        self.at = NEVER
        self._seconds = seconds
        self._unread: Callable[[], int] = lambda: 0
        self._left: int | None = None

    def measure(self, unread: Callable[[], int]) -> None:
        """Ask `unread` for the bytes that the client has yet to take."""
        self._unread = unread

    def begin(self, now: float) -> None:
        """Run: the driver begins to send. The client is looked at after each half of the limit."""
        self._left = None
        self.at = now + self._seconds / 2

    def end(self) -> None:
        """Rest: the send came through."""
        self.at = NEVER

    def stuck(self, now: float) -> bool:
        """Look at the client when a half has passed. It is stuck if it took nothing in this half nor in the last."""
        before, self._left = self._left, self._unread()
        stuck = before is not None and self._left >= before
        self.at = NEVER if stuck else now + self._seconds / 2
        return stuck


class KeepAlive:
    """The client's silence: a keep-alive is due after `seconds` of it, once it is counted."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.at = NEVER
        self._seconds = seconds
        self._clock = clock

    def start(self) -> None:
        """Count the silence from now."""
        self.at = self._clock() + self._seconds

    def due(self) -> bool:
        """Tell whether the client has heard nothing for too long."""
        return self._clock() >= self.at

    def left(self) -> float:
        """Return the seconds until a keep-alive is due."""
        return self.at - self._clock()

    def sent(self) -> float:
        """Count anew, if the silence is counted at all: something was sent. Return the loop's time."""
        now = self._clock()
        if self.at < NEVER:
            self.at = now + self._seconds
        return now


class PolicyTime:
    """The time at which a policy wants a `Tick`."""

    def __init__(self, clock: Clock) -> None:
        self.at = NEVER
        self._taken: float | None = None
        self._clock = clock

    def set(self, at: float | None) -> None:
        """Set the time. A policy that was given its `Tick` and still wants it at the same time gets no other."""
        self.at = NEVER if at is None or at == self._taken else at

    def take(self) -> bool:
        """Tell whether the time has come, and spend it."""
        if self._clock() < self.at:
            return False
        self._taken = self.at
        return True


class Deadlines:
    """One request's limits and the one wait under them. Make it in the task that it interrupts."""

    def __init__(self, limits: Timeouts, keep_alive: float) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.interruption = Interruption()
        self.provider = ProviderLimit(limits, loop.time)
        self.write = WriteLimit(limits.write)
        self.keep_alive = KeepAlive(keep_alive, loop.time)
        self.tick = PolicyTime(loop.time)
        self._total_at = loop.time() + limits.total
        self._waiting = False
        self._armed_at = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    async def wait(
        self, begin: Callable[[], Awaitable[_T]], on_wake: Callable[[], Awaitable[bool]], *, limited: bool
    ) -> _T | None:
        """Wait for `begin()`, which loses nothing when it is cancelled and begun anew. Each time that a keep-alive or a
        policy's time is due, call `on_wake`, and wait on unless it tells that the request is over: then return None.
        `limited` puts the wait under the provider's limit.

        Raises `CancelledError` for an interruption, and what `begin()` raises."""
        if limited:
            self.provider.begin_wait()
        else:
            self.provider.rest()
        while True:
            self._waiting = True
            self._rearm(min(self.provider.at, self.keep_alive.at, self.tick.at))
            try:
                return await begin()
            except asyncio.CancelledError:
                if not self.interruption.claim_wake():
                    raise
            finally:
                self._waiting = False
            if await on_wake():
                return None

    def hasten_tick(self, at: float | None) -> None:
        """Set the policies' time while the driver waits."""
        self.tick.set(at)
        self._rearm(self.tick.at)

    def begin_write(self) -> None:
        """Run the write limit: the driver begins to send."""
        self.write.begin(self._loop.time())
        self._rearm(self.write.at)

    def end_write(self) -> None:
        """End the write limit: the send came through."""
        self.write.end()
        self.keep_alive.sent()

    def close(self) -> None:
        """Let nothing interrupt the request from here on. Idempotent."""
        self.interruption.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- the timer
    def _rearm(self, at: float) -> None:
        """Move the timer if something is due before the time that it is armed for."""
        if at < self._armed_at:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = min(self._total_at, self.write.at)
        if self._waiting:
            at = min(at, self.provider.at, self.keep_alive.at, self.tick.at)
        self._armed_at = at
        if at < NEVER and not self.interruption.closed:
            self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        now = self._loop.time()
        reason = self._passed(now)
        if reason is not None:
            self.interruption.fire(reason)
        elif self._waiting and (now >= self.keep_alive.at or now >= self.tick.at):
            self._waiting = False
            self.interruption.wake()
        self._arm()

    def _passed(self, now: float) -> Reason | None:
        """Return the limit that has passed, if one has. It is spent with that."""
        if now >= self._total_at:
            self._total_at = NEVER
            return Reason.TOTAL
        if now >= self.write.at:
            return Reason.WRITE if self.write.stuck(now) else None
        if self._waiting and now >= self.provider.at:
            return self.provider.passed()
        return None
