"""How late the event loop is: whatever blocks it delays every stream.

Theory. A timer is set every `EVERY` seconds; how much later than asked it rings is the lag of that moment.
"""

import asyncio

from proxy.telemetry.instruments import Histogram
from proxy.telemetry.names import M_LAG

EVERY = 0.25
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LoopLag:
    """Measures the loop that starts it, until it is closed."""

    def __init__(self) -> None:
        self.histogram = Histogram(M_LAG, "s", "How much later than asked the event loop runs a timer.", BOUNDS)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure the running loop."""
        self._set(asyncio.get_running_loop())

    def close(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + EVERY
        self._timer = loop.call_at(due, self._rung, loop, due)

    def _rung(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.histogram.record(max(loop.time() - due, 0.0))
        self._set(loop)
