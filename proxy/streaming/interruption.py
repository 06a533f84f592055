"""Stop or wake the one task of a request from outside.

The driver runs in one task. An interruption cancels that task once and leaves a reason. `claim` turns the
`CancelledError` into that reason, or finds that the cancel is foreign (the server's own) and must go on.

A wake is the mild form. It only reaches a wait that can be taken up again without loss (see `Deadlines.wait`).
"""

import asyncio
import enum


class Reason(enum.Enum):
    """The cause of an interruption."""

    CLIENT_LEFT = "client left"
    CANCELLED = "cancelled"
    DRAINED = "drained"
    FIRST_TOKEN = "first token"
    IDLE = "idle"
    TOTAL = "total"
    WRITE = "write"


class Interruption:
    """The interruptions of the task that makes it. Use it from that task's event loop only."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an Interruption is made by the task that it interrupts")
        self._task = task
        self._reason: Reason | None = None
        self._woken = False
        self.closed = False

    def fire(self, reason: Reason) -> None:
        """Interrupt the task. The first reason counts until it is claimed."""
        if self.closed or self._reason is not None:
            return
        self._reason = reason
        self._task.cancel()

    def wake(self) -> None:
        """Wake the task from a wait that it can take up again."""
        if self._reason is None and not self.closed:
            self._woken = True
            self._task.cancel()

    def close(self) -> None:
        """Let no interruption happen from here on."""
        self.closed = True

    # ---- the `CancelledError` that was just caught
    def claim(self) -> Reason | None:
        """Return and clear the reason for it; None if it is foreign."""
        reason, self._reason = self._reason, None
        if self._woken:
            self._woken = False
            self._task.uncancel()
        if reason is not None:
            self._task.uncancel()
        return reason if self._task.cancelling() == 0 else None

    def claim_limit(self) -> Reason | None:
        """Return and clear the provider's limit that caused it; None, and leave it unclaimed, if it was no such."""
        return self.claim() if self._reason in (Reason.FIRST_TOKEN, Reason.IDLE) else None

    def claim_wake(self) -> bool:
        """Clear it and return True if it was only a wake."""
        if not self._woken or self._reason is not None:
            return False
        self._woken = False
        return self._task.uncancel() == 0
