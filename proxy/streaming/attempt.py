"""One attempt at a provider. Its `with` block owns the provider's connection, which is closed however it is left."""

import asyncio
import logging
from types import TracebackType

from proxy.accounting.record import Record
from proxy.errors import UpstreamError
from proxy.providers.base import Answer, Call, Upstream
from proxy.routing.route import Step
from proxy.tasks import spawn

log = logging.getLogger("sluice")


class Attempt:
    """Open `call` in a task of its own, so that the wait for it can be woken and taken up again."""

    def __init__(self, upstream: Upstream, call: Call) -> None:
        self._upstream = upstream
        self._call = call

    async def __aenter__(self) -> "Attempt":
        self._opening = spawn(self._upstream.open(self._call))
        return self

    async def answer(self) -> Answer:
        """Return the answer once the provider has begun it. A cancel of the wait leaves the opening alone."""
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Close the provider's connection, or give it back if the answer was read to its end. Idempotent."""
        if not self._opening.done():
            self._opening.add_done_callback(_close_late)
            self._opening.cancel()
        elif not self._opening.cancelled() and self._opening.exception() is None:
            await self._opening.result().aclose()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _close_late(opening: asyncio.Task[Answer]) -> None:
    """Close an answer that came in the same moment as the cancel of its opening."""
    if not opening.cancelled() and opening.exception() is None:
        spawn(opening.result().aclose())


def warn_of_failure(record: Record, reason: str, error: UpstreamError, following: Step | None) -> None:
    """Log one line for the operator: the attempt that failed, its place and reason, and the next step."""
    tried = record.tries[-1]
    where = f"{tried.provider}/{tried.model}"
    if tried.address is not None:
        where += f" ({tried.address}:{tried.port})" if tried.port else f" ({tried.address})"
    if following is None:
        after = f"The client gets {error.status} {error.code}."
    else:
        wait = f" after {following.wait:.1f} s" if following.wait else ""
        after = f"Next: {following.reason} at {following.place.name}{wait}."
    log.warning("%s: attempt %d at %s failed (%s): %s %s", record.id, tried.number, where, error.code, reason, after)
