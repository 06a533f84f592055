"""How long a target takes to its first token: a measured mean in which old figures count less and less.

Theory. Two decays. A new figure moves the mean by a fixed share, so the last ten or so make it up. And a mean that
nobody renews fades towards zero, halved each minute: a target that was slow once is tried again by itself.
"""

from collections.abc import Callable

SHARE = 0.2
"""Of a new figure in the mean."""

HALF_LIFE = 60.0
"""Seconds after which a figure that was not renewed counts for half."""


class Latency:
    """One target's. `clock` gives seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mean: float | None = None
        self._at = 0.0

    def measured(self, seconds: float) -> None:
        """A request's first token came after so many seconds."""
        self._mean = seconds if self._mean is None else self._mean + SHARE * (seconds - self._mean)
        self._at = self._clock()

    @property
    def mean(self) -> float | None:
        """The mean in seconds, without fading; None when nothing was measured."""
        return self._mean

    def expected(self) -> float:
        """What to expect, in seconds; 0 for a target that nobody has measured, so that it is."""
        if self._mean is None:
            return 0.0
        return self._mean * float(0.5 ** ((self._clock() - self._at) / HALF_LIFE))
