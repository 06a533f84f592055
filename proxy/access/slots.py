"""A limited number of slots with a short, bounded queue, shared fairly among keys.

The next slot goes to the waiting key with the fewest slots. Keys with equally many take turns. Within a key, the first
request is served first. Waiting time is limited. If the queue is full, a key with at least two more entries than the
newcomer's key loses its latest entry. Otherwise the newcomer is rejected at once.
"""

import asyncio
from collections import Counter, deque

from proxy.errors import GatewayError

Key = str | None
"""The key of a request, None if it is unknown."""


class Overloaded(GatewayError):
    """The limits of running and waiting requests are reached."""

    status = 503
    code = "overloaded"


class Slots:
    """`most` slots. Up to `queue` requests wait for one, each up to `seconds`."""

    def __init__(self, most: int, queue: int, seconds: float) -> None:
        self.most = most
        self.taken = 0
        self.waiting = 0
        self._queue = queue
        self._seconds = seconds
        self._turns: dict[Key, deque[asyncio.Future[None]]] = {}
        self._held: Counter[Key] = Counter()

    @property
    def free(self) -> bool:
        """Return true if a slot is free now."""
        return self.taken < self.most and not self.waiting

    def resize(self, most: int, queue: int, seconds: float) -> None:
        """Change the limits. Requests with a slot keep it."""
        self.most, self._queue, self._seconds = most, queue, seconds
        self._let_in()

    def check(self, what: str, key: Key = None) -> None:
        """Raise `Overloaded` if a request of the key could not even wait now."""
        if not self.free and self.waiting >= self._queue and self._greediest(key) is None:
            raise _overloaded(what)

    async def take(self, what: str, key: Key = None) -> None:
        """Take a slot. Return it with `give_back`. Raises `Overloaded` with a message that says that `what` is full."""
        if self.free:
            self._enter(key)
            return
        self.check(what, key)
        if self.waiting >= self._queue:
            self._displace(what, key)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.setdefault(key, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as failure:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(key)  # the slot came at the same moment: pass it on
            else:
                self._leave(key, turn)
            if isinstance(failure, TimeoutError):
                raise _overloaded(what) from None
            raise

    def give_back(self, key: Key = None) -> None:
        """Return a slot of the same key, and give it to a waiting request."""
        self.taken -= 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
        self._let_in()

    def forgo(self, taking: asyncio.Task[None], key: Key = None) -> None:
        """Give up the slot that the task of a `take` gets or waits for."""
        if not taking.cancel() and not taking.cancelled() and taking.exception() is None:
            self.give_back(key)  # it came at the same moment

    def _enter(self, key: Key) -> None:
        self.taken += 1
        self._held[key] += 1

    def _let_in(self) -> None:
        while self._turns and self.taken < self.most:
            key = min(self._turns, key=self._held.__getitem__)
            turn = self._turns[key][0]
            self._leave(key, turn)
            if key in self._turns:
                self._turns[key] = self._turns.pop(key)  # after the others
            if not turn.done():
                self._enter(key)
                turn.set_result(None)

    def _greediest(self, key: Key) -> deque[asyncio.Future[None]] | None:
        """Return the queue of the key with the most entries, if it has at least two more than `key`."""
        most = max(self._turns.values(), key=len, default=deque())
        return most if len(most) >= len(self._turns.get(key, ())) + 2 else None

    def _displace(self, what: str, key: Key) -> None:
        """Reject the latest request of the key with the most entries, so that one of `key` can wait."""
        turns = self._greediest(key)
        if turns:
            turn = turns.pop()
            self.waiting -= 1
            if not turn.done():
                turn.set_exception(_overloaded(what))

    def _leave(self, key: Key, turn: asyncio.Future[None]) -> None:
        """Remove an entry from the queue if it is still there."""
        turns = self._turns.get(key, deque())
        if turn in turns:
            turns.remove(turn)
            self.waiting -= 1
            if not turns:
                del self._turns[key]


def _overloaded(what: str) -> Overloaded:
    return Overloaded(f"{what} has reached its limit of requests: try again shortly.", retry_after=1)
