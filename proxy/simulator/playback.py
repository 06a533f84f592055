"""Playback of one response on one connection.

Each stream has one timer on an absolute schedule, and no task or await. Nothing is written while the socket is full
(`pause`, `resume`), and the overdue steps then go out together. A write costs a timer, a `replace` and a system call.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from proxy.simulator.calls import Call
from proxy.simulator.formats.base import STAMP
from proxy.simulator.script import Outcome, Script

_TURN = 64 * 1024
"""Bytes written before other connections get their turn."""

_EARLY = 0.001
"""Seconds by which a step may come early.

uvloop's clock counts milliseconds. A timer that fires half a millisecond too soon must not wait again.
"""


class Playback:
    """Plays a script. Calls `over` when the socket has taken all of it.

    It updates and closes `call`. A stalled script never ends by itself.
    """

    __slots__ = (
        "_call",
        "_ended",
        "_loop",
        "_next",
        "_over",
        "_paused",
        "_script",
        "_slices",
        "_stamp",
        "_start",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        script: Script,
        call: Call | None,
        stamp: bytes,
        over: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._transport = transport
        self._script = script
        self._call = call
        self._stamp = stamp
        self._over = over
        self._next = 0
        self._slices: deque[bytes] = deque()
        self._timer: asyncio.Handle | None = None
        self._paused = False
        self._ended = False

    def run(self) -> None:
        """Write everything that is due, then wait for the next step's time, the socket, or the next turn."""
        self._timer = None
        written = 0
        while not self._paused and not self._ended:
            if written >= _TURN or (written and self._script.cut):
                self._timer = self._loop.call_soon(self.run)
                return
            if self._slices:
                written += self._write(self._slices.popleft())
                if self._script.drip:
                    self._timer = self._loop.call_later(self._script.drip, self.run)
                    return
            elif self._next == len(self._script.steps):
                self._finish()
            elif (due := self._start + self._script.steps[self._next].at) > self._loop.time() + _EARLY:
                self._timer = self._loop.call_at(due, self.run)
                return
            else:
                written += self._step()

    def pause(self) -> None:
        """Pause, because the socket is full."""
        self._paused = True
        self._cancel_timer()

    def resume(self) -> None:
        """Resume, because the socket has taken all data."""
        self._paused = False
        if not self._ended and self._timer is None:
            self._timer = self._loop.call_soon(self.run)

    def client_left(self) -> None:
        """Stop, because the client left."""
        self._end("client_left")

    def _step(self) -> int:
        """Write the next step, and all further steps that are due."""
        steps = self._script.steps
        step = steps[self._next]
        self._next += 1
        data = step.data
        if self._script.cut:
            data = data.replace(STAMP, self._stamp)
            cut = self._script.cut
            self._slices.extend(data[at : at + cut] for at in range(0, len(data), cut))
            self._tell(step.told)
            return 0
        ready = [data]
        size, horizon = len(data), self._loop.time() + _EARLY - self._start
        while self._next < len(steps) and size < _TURN and steps[self._next].at <= horizon:
            step = steps[self._next]
            ready.append(step.data)
            size += len(step.data)
            self._next += 1
        self._tell(step.told)
        return self._write(b"".join(ready).replace(STAMP, self._stamp))

    def _tell(self, told: int) -> None:
        if self._call is not None:
            self._call.chunks_sent = told

    def _write(self, data: bytes) -> int:
        if not data:
            return 0
        if self._call is not None:
            if self._call.first_byte is None:
                self._call.first_byte = self._loop.time()
            self._call.bytes_sent += len(data)
        self._transport.write(data)
        return len(data)

    def _finish(self) -> None:
        """Handle the connection as the script says, after the socket has taken everything."""
        if self._script.then == "stall":
            self._paused = True
            return
        self._end(self._script.outcome)
        self._over()

    def _end(self, outcome: Outcome) -> None:
        if self._ended:
            return
        self._ended = True
        self._cancel_timer()
        if self._call is not None:
            self._call.close(self._loop.time(), outcome)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
