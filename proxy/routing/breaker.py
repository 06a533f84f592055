"""A circuit breaker: a target that keeps failing is left alone for a while, then tried by one request at a time.

Rule: a request that `began` while the breaker `is_open` is its probe, and is `let_go` in the end, so that one from
which nothing was learnt does not bar the next; before that it may have `succeeded` or `failed`.
"""

from collections.abc import Callable

from proxy.config.models import Cooldown


class Breaker:
    """One target's. `clock` gives seconds, monotonic."""

    def __init__(self, cooldown: Cooldown, clock: Callable[[], float]) -> None:
        self.cooldown = cooldown
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def opens_in(self) -> float:
        """Seconds until a request may try the target; 0 when one may now."""
        if self._open_until is None:
            return 0.0
        left = self._open_until - self._clock()
        return self.cooldown.seconds if left <= 0 and self._probing else max(0.0, left)

    @property
    def is_open(self) -> bool:
        """Whether the target is left alone, but for a probe."""
        return self._open_until is not None

    def allows(self) -> bool:
        """Whether a request may try the target now."""
        return self.opens_in() == 0

    def began(self) -> None:
        """A request tries the target."""
        self._probing = self._open_until is not None

    def answered(self) -> None:
        """The target's answer began: it is up. That answers break off is still a failure each."""
        if self.is_open:
            self.succeeded()

    def succeeded(self) -> None:
        """The target's answer came to its end."""
        self._failures, self._open_until, self._probing = 0, None, False

    def failed(self) -> None:
        """The target failed. A probe that fails keeps it alone for another while."""
        self._failures += 1
        self._probing = False
        if self._failures >= self.cooldown.failures:
            self._open_until = self._clock() + self.cooldown.seconds

    def let_go(self) -> None:
        """The probe is over."""
        self._probing = False
