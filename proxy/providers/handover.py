"""Items from one event loop to another, in order, a few ahead of who takes them.

Rule: the giver waits while `ahead` items are there. Waiting to take can be cancelled at any moment and loses nothing.
Whoever takes can be woken without an item, as a sign of life.
"""

import asyncio
import contextlib
from collections import deque
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Handover(Generic[_T]):
    """Make it in the loop of who takes."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._items: deque[_T] = deque()
        self._here = asyncio.get_running_loop()
        self._woken = False
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def give(self, item: _T) -> None:
        """Add an item, from the other loop. Waits for room behind it."""
        self._items.append(item)
        self._here.call_soon_threadsafe(self._tell)
        while len(self._items) >= self._ahead:
            self._room = room = asyncio.get_running_loop().create_future()
            if len(self._items) < self._ahead:  # taken meanwhile, by one who saw no `_room`
                break
            await room

    async def first(self) -> _T:
        """The next item, which stays there."""
        while not self._items:
            await self._something()
        return self._items[0]

    def wake(self) -> None:
        """End the wait of `take`."""
        self._woken = True
        self._tell()

    async def take(self) -> list[_T]:
        """All items that are there; waits for one, or for `wake`."""
        while not self._items and not self._woken:
            await self._something()
        self._woken = False
        taken = [self._items.popleft() for _ in range(len(self._items))]
        room, self._room = self._room, None
        if room is not None:
            with contextlib.suppress(RuntimeError):  # its loop is gone
                room.get_loop().call_soon_threadsafe(_settle, room)
        return taken

    async def _something(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None:
            _settle(self._news)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
