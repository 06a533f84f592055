"""A bounded number of places, with a short and bounded queue for them, shared out among keys.

Rule: of those that wait, the next place goes to the key that has the fewest places; keys that have equally many take
turns. Within one key, who came first is served first. Waiting takes a bounded time. When the queue is full, a key that
has at least two more in it than the newcomer's key gives up its latest; otherwise the newcomer is refused at once.
"""

import asyncio
from collections import Counter, deque

from proxy.errors import GatewayError

Key = str | None
"""Whose request it is; None where nobody says."""


class Overloaded(GatewayError):
    """There are as many requests at work, and waiting, as there may be."""

    status = 503
    code = "overloaded"


class Slots:
    """`most` places; up to `queue` requests wait for one, `seconds` long."""

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
        """Whether a place can be had at once."""
        return self.taken < self.most and not self.waiting

    def resize(self, most: int, queue: int, seconds: float) -> None:
        """Other limits from here on. Who has a place keeps it."""
        self.most, self._queue, self._seconds = most, queue, seconds
        self._let_in()

    def check(self, what: str, key: Key = None) -> None:
        """Raises `Overloaded` when a request of the key that came now could not even wait for a place."""
        if not self.free and self.waiting >= self._queue and self._greediest(key) is None:
            raise _overloaded(what)

    async def take(self, what: str, key: Key = None) -> None:
        """Take a place; `give_back` it afterwards. Raises `Overloaded`, whose message says that `what` is full."""
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
                self.give_back(key)  # the turn came in the same moment: it is the next one's
            else:
                self._leave(key, turn)
            if isinstance(failure, TimeoutError):
                raise _overloaded(what) from None
            raise

    def give_back(self, key: Key = None) -> None:
        """Leave a place that was taken for the same key, to one who waits for it."""
        self.taken -= 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
        self._let_in()

    def forgo(self, taking: asyncio.Task[None], key: Key = None) -> None:
        """Nobody wants any more what the task of a `take` is to take."""
        if not taking.cancel() and not taking.cancelled() and taking.exception() is None:
            self.give_back(key)  # it came in the same moment

    def _enter(self, key: Key) -> None:
        self.taken += 1
        self._held[key] += 1

    def _let_in(self) -> None:
        while self._turns and self.taken < self.most:
            key = min(self._turns, key=self._held.__getitem__)
            turn = self._turns[key][0]
            self._leave(key, turn)
            if key in self._turns:
                self._turns[key] = self._turns.pop(key)  # behind the others
            if not turn.done():
                self._enter(key)
                turn.set_result(None)

    def _greediest(self, key: Key) -> deque[asyncio.Future[None]] | None:
        """The turns of the key that has the most in the queue, if it has at least two more than `key`."""
        most = max(self._turns.values(), key=len, default=deque())
        return most if len(most) >= len(self._turns.get(key, ())) + 2 else None

    def _displace(self, what: str, key: Key) -> None:
        """Refuse the latest of the greediest key, so that one of `key` can wait."""
        turns = self._greediest(key)
        if turns:
            turn = turns.pop()
            self.waiting -= 1
            if not turn.done():
                turn.set_exception(_overloaded(what))

    def _leave(self, key: Key, turn: asyncio.Future[None]) -> None:
        """Take a turn out of the queue, if it is still there."""
        turns = self._turns.get(key, deque())
        if turn in turns:
            turns.remove(turn)
            self.waiting -= 1
            if not turns:
                del self._turns[key]


def _overloaded(what: str) -> Overloaded:
    return Overloaded(f"{what} has as many requests as it may have: try again shortly.", retry_after=1)
