"""Long work on the event loop, one slice in each turn.

Of all requests with long work, one gets a slice in each turn of the loop, in the order of their requests. Other streams
therefore wait for one slice at most. Work that ends within its first slice does not wait.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from policies.steps import Steps

_T = TypeVar("_T")

SLICE: Final = 0.001
"""Seconds of a slice. Its last step may exceed it a little."""


class Turns:
    """The turns of one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._handed_out = False

    async def take(self, steps: Steps[_T], between: Callable[[], Awaitable[None]] | None = None) -> _T:
        """Do the work to its end and return its result. Await `between` between two slices. Close the work if
        interrupted.
        """
        with contextlib.closing(steps):
            while True:
                until = time.perf_counter() + SLICE
                try:
                    next(steps)
                    while time.perf_counter() < until:
                        next(steps)
                except StopIteration as end:
                    result: _T = end.value
                    return result
                await self.turn()
                if between is not None:
                    await between()

    async def turn(self) -> None:
        """Wait for the next free turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._handed_out:
            self._handed_out = True
            loop.call_soon(self._hand_out)
        await turn

    def _hand_out(self) -> None:
        """Give this turn of the loop to the first waiter."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                break
        self._handed_out = bool(self._waiting)
        if self._handed_out:
            asyncio.get_running_loop().call_soon(self._hand_out)
