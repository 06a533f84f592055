"""How a request's one task is stopped or woken from outside: the client left, a limit passed, a cancel, a drain.

Theory. The driver runs in one task and awaits in three kinds of places: opening, reading, sending. Whatever interrupts
it does so by cancelling that task once and leaving a reason; `claim` turns the `CancelledError` into that reason, and
says when it is a foreign one (the server's own), which must go on. A *wake* is the mild form: it only reaches a wait
that can be taken up again without loss, and the driver goes back to waiting after it.

One timer serves all limits of a stream. Setting a limit is a plain assignment; the timer is moved only when a limit
comes before the time it is armed for, so a chunk costs no timer call.
"""

import asyncio
import enum
import math
from collections.abc import Callable

from proxy.config.models import Timeouts

NEVER = math.inf


class Reason(enum.Enum):
    """Why a request was interrupted."""

    CLIENT_LEFT = "client left"
    CANCELLED = "cancelled"
    DRAINED = "drained"
    FIRST_TOKEN = "first token"
    IDLE = "idle"
    TOTAL = "total"
    WRITE = "write"


class Deadlines:
    """The interruptions of the task that makes it. Use from that task's event loop only."""

    def __init__(self, limits: Timeouts, keep_alive: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Deadlines are made by the task that they interrupt")
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._keep_alive = keep_alive
        self._reason: Reason | None = None
        self._woken = False
        self._closed = False
        self._waiting = False
        self._total_at = self._loop.time() + limits.total
        self._upstream_at = NEVER
        self._first_token_at = NEVER
        self._write_at = NEVER
        self._unread: Callable[[], int] = lambda: 0
        self._left: int | None = None
        self._beat_at = NEVER
        self._tick_at = NEVER
        self._ticked: float | None = None
        self._armed_at = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def fire(self, reason: Reason) -> None:
        """Interrupt the task. The first reason counts until it is claimed."""
        if self._closed or self._reason is not None:
            return
        self._reason = reason
        self._task.cancel()

    def claim(self) -> Reason | None:
        """The reason behind the `CancelledError` just caught, which is thereby done with; None: it is not ours."""
        reason, self._reason = self._reason, None
        if self._woken:
            self._woken = False
            self._task.uncancel()
        if reason is not None:
            self._task.uncancel()
        return reason if self._task.cancelling() == 0 else None

    def claim_limit(self) -> Reason | None:
        """The provider's limit behind the `CancelledError` just caught, which is thereby done with; None: it is
        something else, and unclaimed."""
        return self.claim() if self._reason in (Reason.FIRST_TOKEN, Reason.IDLE) else None

    def claim_wake(self) -> bool:
        """Whether the `CancelledError` just caught was only a wake; then it is done with and the wait can be taken up
        again."""
        if not self._woken or self._reason is not None:
            return False
        self._woken = False
        return self._task.uncancel() == 0

    def close(self) -> None:
        """No interruptions from here on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- limits
    def begin_attempt(self) -> None:
        """An attempt begins: its first token is due within `first_token` seconds."""
        self._first_token_at = self._loop.time() + self._limits.first_token

    def first_token(self) -> None:
        """The answer has begun: from here on the limit is the one between chunks."""
        self._first_token_at = NEVER

    def begin_wait(self) -> None:
        """The driver begins to wait for the provider."""
        self._waiting = True
        begun = self._first_token_at == NEVER
        self._upstream_at = self._loop.time() + self._limits.idle if begun else self._first_token_at
        if min(self._upstream_at, self._beat_at, self._tick_at) < self._armed_at:
            self._arm()

    def heard(self) -> None:
        """The provider was heard, and the driver waits on."""
        if self._first_token_at == NEVER:
            self._upstream_at = self._loop.time() + self._limits.idle

    def hasten_tick(self, at: float | None) -> None:
        """As `set_tick`, while the driver waits."""
        self.set_tick(at)
        if self._tick_at < self._armed_at:
            self._arm()

    def begin_pause(self) -> None:
        """The driver begins to wait for something that no limit of a provider is for."""
        self._waiting = True
        self._upstream_at = NEVER
        self._arm()

    def resume_wait(self) -> None:
        """Wait on after a wake, under the limit that already runs."""
        self._waiting = True
        self._arm()

    def end_wait(self) -> None:
        """The wait is over; limits of the provider rest."""
        self._waiting = False

    def measure_writes(self, unread: Callable[[], int]) -> None:
        """`unread` tells how many bytes the client has yet to take: as long as they grow fewer, it is only slow."""
        self._unread = unread

    def begin_write(self) -> None:
        """The driver begins to send: the write limit runs."""
        self._left = None
        self._write_at = self._loop.time() + self._limits.write / 2
        if self._write_at < self._armed_at:
            self._arm()

    def end_write(self) -> None:
        """The send came through."""
        self._write_at = NEVER
        self.wrote()

    def wrote(self) -> float:
        """Something was sent; client silence is counted from now, if it is counted at all. Gives the loop's time."""
        now = self._loop.time()
        if self._beat_at < NEVER:
            self._beat_at = now + self._keep_alive
        return now

    def start_beat(self) -> None:
        """Count the client's silence from now: a wake is due after `keep_alive` seconds of it."""
        self._beat_at = self._loop.time() + self._keep_alive

    def beat_due(self) -> bool:
        """Whether the client has heard nothing for `keep_alive` seconds."""
        return self._loop.time() >= self._beat_at

    def silence_left(self) -> float:
        """Seconds until the client has heard nothing for `keep_alive` seconds."""
        return self._beat_at - self._loop.time()

    def set_tick(self, at: float | None) -> None:
        """A policy wants a `Tick` at `at`, in the loop's time. One that was given its `Tick` and still wants it at the
        same time gets no other."""
        self._tick_at = NEVER if at is None or at == self._ticked else at

    def take_tick(self) -> bool:
        """Whether a policy's deadline has passed; it is spent with that."""
        if self._loop.time() < self._tick_at:
            return False
        self._ticked = self._tick_at
        return True

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = min(self._total_at, self._write_at)
        if self._waiting:
            at = min(at, self._upstream_at, self._beat_at, self._tick_at)
        self._armed_at = at
        if at < NEVER and not self._closed:
            self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        now = self._loop.time()
        reason = self._passed(now)
        if reason is not None:
            self.fire(reason)
        elif self._waiting and (now >= self._beat_at or now >= self._tick_at):
            self._wake()
        self._arm()

    def _passed(self, now: float) -> Reason | None:
        """The limit that has passed, if one has; it is spent with that."""
        if now >= self._total_at:
            self._total_at = NEVER
            return Reason.TOTAL
        if now >= self._write_at:
            return self._stuck(now)
        if self._waiting and now >= self._upstream_at:
            self._upstream_at = NEVER
            return Reason.IDLE if self._first_token_at == NEVER else Reason.FIRST_TOKEN
        return None

    def _stuck(self, now: float) -> Reason | None:
        """Half of the write limit has passed; the write is stuck if the client took nothing in it, nor in the one
        before."""
        before, self._left = self._left, self._unread()
        stuck = before is not None and self._left >= before
        self._write_at = NEVER if stuck else now + self._limits.write / 2
        return Reason.WRITE if stuck else None

    def _wake(self) -> None:
        self._waiting = False
        if self._reason is None and not self._closed:
            self._woken = True
            self._task.cancel()
