"""The body of one response: what has come of it, and where it ends.

Rule: bytes are kept as they came, bounded, and taken apart only as somebody reads them, a slice at a time. So what one
turn of the event loop costs does not depend on what a provider makes of its bytes, and a reader who is slow slows the
provider. Whoever reads gives the other tasks a turn before each slice; however many bodies have large slices, one of
them has its turn at a time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from proxy.providers.http.framing import Framing, Malformed
from proxy.providers.http.inflate import Inflate

SLICE: Final = 16 * 1024
"""Bytes that are taken apart at once, and that a compressed body may make of them."""

MAX_WAITING: Final = 64 * 1024
"""Bytes that wait for the reader before the provider is held up; one more read of the socket may come on top."""

MAX_BEHIND: Final = 1024
"""Bytes that a body may have behind its answer's last event, blank lines and framing, for its connection to be used
again."""

SMALL: Final = 4 * 1024
"""Bytes that are taken apart without waiting for a turn of their own."""

LINGER = 0.25
"""Seconds that a finished answer's connection gets to end its body, so that it can be used again."""

Turn = Callable[[], Awaitable[None]]
"""Waits for a turn of the event loop in which no other body is taken apart."""

Listener = Callable[[bytes], None]
"""Takes a whole chunk's content, within the event loop's callback. Must not raise."""


class Flow(Protocol):
    """What a body needs of its connection."""

    short: Listener | None
    """Who takes a read that is exactly one whole chunk."""

    def hold(self) -> None:
        """Read no more of the socket."""

    def go_on(self) -> None:
        """Read it again."""

    def ended(self, *, clean: bool) -> None:
        """The response is over; `clean`: to the byte, and nothing unusual was in it."""


class Body:
    """One response's."""

    def __init__(self, framing: Framing, inflate: Inflate | None, flow: Flow, turn: Turn) -> None:
        self._framing = framing
        self._inflate = inflate
        self._flow = flow
        self._turn = turn
        self._raw = bytearray()
        self._fresh = False
        """`_raw` has something that was not looked at."""
        self._held = False
        self._gone = False
        self._complete = False
        """The connection's end was the body's."""
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._give_back: Callable[[bool], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.fault: str | None = None
        """What is wrong with the bytes, for `The provider … .`"""
        self._look_for_end()

    @property
    def over(self) -> bool:
        """Whether all of it was read, to its end."""
        return self._ended and not self._pending

    @property
    def broken(self) -> bool:
        """Whether nothing more can come, though it is not over. What came before that was read."""
        return self._gone and not self._ended and not self._fresh and not self._pending

    @property
    def _pending(self) -> bool:
        return self._inflate is not None and self._inflate.pending

    # ---- the connection's side
    def feed(self, data: bytes) -> None:
        """More of it has come."""
        self._raw += data
        self._fresh = True
        if len(self._raw) > MAX_WAITING and not self._held:
            self._held = True
            self._flow.hold()
        self.wake()
        if self._give_back is not None:
            self._read_to_end()

    def cut(self, *, clean: bool) -> None:
        """The connection is gone; `clean`: the provider ended it in order."""
        self._gone = True
        self._complete = clean and self._framing.until_closed
        self._look_for_end()
        self.wake()
        if self._give_back is not None:
            self._settle(False)

    # ---- the reader's side
    async def ready(self, listener: Listener | None = None) -> None:
        """Wait until there is something to take, or the end, or `wake`. Meanwhile whole chunks go to `listener`."""
        if self._fresh or self._pending or self._ended or self._gone:
            await (self._turn() if self._pending or len(self._raw) > SMALL else asyncio.sleep(0))
            return
        self._waiter = asyncio.get_running_loop().create_future()
        if listener is not None and self._inflate is None and self._framing.between:
            self._flow.short = listener
        try:
            await self._waiter
        finally:
            self.wake()

    def wake(self) -> None:
        """End the wait of `ready`."""
        self._flow.short = None
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def take(self) -> bytes:
        """The next slice of its content; empty if nothing of what came is content."""
        if self._inflate is not None and self._inflate.pending:
            return self._inflated(self._inflate, b"")
        raw = self._raw
        before = len(raw)
        try:
            data = self._framing.take(raw, SLICE)
        except Malformed as wrong:
            return self._spoil(wrong)
        self._fresh = 0 < len(raw) < before
        if self._held and len(raw) <= MAX_WAITING // 2:
            self._held = False
            self._flow.go_on()
        self._look_for_end()
        return data if self._inflate is None else self._inflated(self._inflate, data)

    def finish(self, give_back: Callable[[bool], None]) -> None:
        """The answer is read. `give_back` is called once: with True when the body is over too, and had no more than
        blank lines behind the answer; with False if it is not over soon."""
        self._give_back = give_back
        self._read_to_end()
        if self._give_back is not None:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._settle, False)

    # ----
    def _inflated(self, inflate: Inflate, data: bytes) -> bytes:
        try:
            return inflate.take(data, SLICE)
        except Malformed as wrong:
            return self._spoil(wrong)

    def _spoil(self, wrong: Malformed) -> bytes:
        self.fault = str(wrong)
        self._raw.clear()
        self._inflate = None
        self._fresh, self._gone = False, True
        self._flow.ended(clean=False)
        return b""

    def _look_for_end(self) -> None:
        if not self._ended and (self._framing.over or (self._complete and not self._raw)):
            self._ended = True
            self._flow.ended(clean=self._framing.plain and not self._raw)

    def _read_to_end(self) -> None:
        if len(self._raw) > MAX_BEHIND:
            self._settle(False)
            return
        while (self._fresh or self._pending) and not self.over:
            if self.take().strip():
                self._settle(False)
                return
        if self.over or self._gone:
            self._settle(self.over)

    def _settle(self, whole: bool) -> None:
        give_back, self._give_back = self._give_back, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if give_back is not None:
            give_back(whole)
