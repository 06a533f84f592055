"""One attempt at a provider, owned by a `with` block: whatever leaves the block, the provider's connection is
closed."""

import asyncio
from types import TracebackType

from proxy.tasks import spawn
from proxy.upstreams.base import Answer, Call, Upstream


class Attempt:
    """Opens `call` in a task of its own, so that waiting for it can be woken and taken up again."""

    def __init__(self, upstream: Upstream, call: Call) -> None:
        self._upstream = upstream
        self._call = call

    async def __aenter__(self) -> "Attempt":
        self._opening = spawn(self._upstream.open(self._call))
        return self

    async def answer(self) -> Answer:
        """The answer, once the provider has begun it. Cancelling the wait leaves the opening alone."""
        return await asyncio.shield(self._opening)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._opening.done():
            self._opening.add_done_callback(_close_late)
            self._opening.cancel()
        elif not self._opening.cancelled() and self._opening.exception() is None:
            await self._opening.result().aclose()


def _close_late(opening: asyncio.Task[Answer]) -> None:
    """The answer came in the same moment that nobody wanted it any more."""
    if not opening.cancelled() and opening.exception() is None:
        spawn(opening.result().aclose())
