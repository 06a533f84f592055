"""A bounded number of places, with a short and bounded queue for them.

Rule: who waits is served in the order of arrival, for a bounded time; who finds the queue full is refused at once.
"""

import asyncio
import contextlib
from collections import deque

from proxy.errors import GatewayError


class Overloaded(GatewayError):
    """There are as many requests at work, and waiting, as there may be."""

    status = 503
    code = "overloaded"


class Slots:
    """`most` places; up to `queue` requests wait for one, `seconds` long."""

    def __init__(self, most: int, queue: int, seconds: float) -> None:
        self.most = most
        self.taken = 0
        self._queue = queue
        self._seconds = seconds
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> bool:
        """Whether a place can be had at once."""
        return self.taken < self.most and not self._waiting

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def resize(self, most: int, queue: int, seconds: float) -> None:
        """Other limits from here on. Who has a place keeps it."""
        self.most, self._queue, self._seconds = most, queue, seconds
        self._let_in()

    def check(self, what: str) -> None:
        """Raises `Overloaded` when a request that came now could not even wait for a place."""
        if not self.free and len(self._waiting) >= self._queue:
            raise _overloaded(what)

    async def take(self, what: str) -> None:
        """Take a place; `give_back` it afterwards. Raises `Overloaded`, whose message says that `what` is full."""
        if self.free:
            self.taken += 1
            return
        self.check(what)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as failure:
            if turn.done() and not turn.cancelled():  # the turn came in the same moment: it is the next one's
                self.give_back()
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(turn)
            if isinstance(failure, TimeoutError):
                raise _overloaded(what) from None
            raise

    def give_back(self) -> None:
        """Leave a place, to the first who waits for one."""
        self.taken -= 1
        self._let_in()

    def forgo(self, taking: asyncio.Task[None]) -> None:
        """Nobody wants any more what the task of a `take` is to take."""
        if not taking.cancel() and not taking.cancelled() and taking.exception() is None:
            self.give_back()  # it came in the same moment

    def _let_in(self) -> None:
        while self._waiting and self.taken < self.most:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)


def _overloaded(what: str) -> Overloaded:
    return Overloaded(f"{what} has as many requests as it may have: try again shortly.", retry_after=1)
