"""Threads for work on large requests that cannot be done in steps.

LiteLLM's mapping is one call. For a large request it takes longer than other requests may wait, so it runs in a thread:
the event loop gets its turn after half a millisecond (`proxy.cli.serve.TURN`).

Rule: nothing can stop a thread, so there are few of them. A request waits for a place, and for its work, for a bounded
time. A place is free when its thread has ended, not when its request was given up. Requests of up to `MAX_MEDIUM` bytes
have places of their own, so they never wait for larger ones.
"""

import asyncio
import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from proxy.access.slots import Key, Slots
from proxy.errors import InvalidRequest

log = logging.getLogger("sluice")

_T = TypeVar("_T")

MAX_MEDIUM: Final = 1 << 20
"""Bytes of a request that does not wait for larger ones."""

MAX_THREADS: Final = 2
"""Threads for medium requests, and as many for large ones."""

MAX_WAITING: Final = 256
"""Requests that wait for a thread."""

MAX_WAIT: Final = 10.0
"""Seconds for which a request waits for a thread."""

MAX_SECONDS: Final = 30.0
"""Seconds for which a request waits for its work. The largest bodies take three on a machine that is not busy."""


class Workers:
    """The threads of one process."""

    def __init__(self, threads: int = MAX_THREADS, wait: float = MAX_WAIT, seconds: float = MAX_SECONDS) -> None:
        self._medium = Slots(threads, MAX_WAITING, wait)
        self._large = Slots(threads, MAX_WAITING, wait)
        self._seconds = seconds

    async def run(self, work: Callable[[], _T], size: int, key: Key = None) -> _T:
        """Run `work` for a request of `size` bytes and return its result, or raise what it raised.

        Keys that wait take turns. Raises `Overloaded` when no thread is free in time, and `InvalidRequest` when the
        work takes too long.
        """
        places = self._medium if size <= MAX_MEDIUM else self._large
        await places.take("The translation of large requests", key)
        give_back = functools.partial(places.give_back, key)
        outcome: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(_seen)
        try:
            threading.Thread(target=_work, args=(work, outcome, give_back), daemon=True).start()
        except BaseException:  # the system has no thread to give
            give_back()
            raise
        await asyncio.wait({outcome}, timeout=self._seconds)
        if not outcome.done():
            seconds = f"{self._seconds:g}"
            log.warning("Translating a large request takes more than %s s: its thread is not free.", seconds)
            raise InvalidRequest(
                f"Translating the request takes more than {seconds} seconds: send a smaller or simpler one.",
                code="request_too_complex",
            )
        return outcome.result()


def _work(work: Callable[[], _T], outcome: "asyncio.Future[_T]", give_back: Callable[[], None]) -> None:
    """In the thread: work, and tell the event loop."""
    tell: Callable[[], None]
    try:
        tell = functools.partial(outcome.set_result, work())
    except BaseException as failure:
        tell = functools.partial(outcome.set_exception, failure)
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        outcome.get_loop().call_soon_threadsafe(_over, give_back, tell)


def _over(give_back: Callable[[], None], tell: Callable[[], None]) -> None:
    give_back()
    tell()


def _seen(outcome: "asyncio.Future[Any]") -> None:
    """Nobody may wait for the outcome any more: then its exception is not worth a line in the log."""
    outcome.exception()
