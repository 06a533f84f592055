"""How the latest attempts of one key at one target ended: counts over a sliding window of time.

Theory. The window has `PARTS` parts, each with its counts, so memory does not grow with traffic. The newest parts that
hold `enough` outcomes are all that counts: with much traffic a change shows within seconds, with little traffic the
whole window is needed to see anything.
"""

PARTS = 10


class Outcomes:
    """Counts of attempts that were answered, and of those that failed. Times are in seconds, of a monotonic clock."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[tuple[float, list[int]]] = []

    def answered(self, now: float, window: float) -> None:
        """The target began an answer."""
        self._part(now, window)[0] += 1

    def failed(self, now: float, window: float, *, answered: bool) -> None:
        """The target failed; one whose answer had begun no longer counts as answered."""
        self._part(now, window)[1] += 1
        if answered:
            counts = next((counts for _, counts in reversed(self._parts) if counts[0]), [1, 0])
            counts[0] -= 1

    def counts(self, now: float, window: float, enough: int) -> tuple[int, int]:
        """How many were answered and how many failed."""
        answered = failed = 0
        for began, counts in reversed(self._parts):
            if now - began > window or answered + failed >= enough:
                break
            answered += counts[0]
            failed += counts[1]
        return answered, failed

    @property
    def latest(self) -> float:
        """When the newest part began; 0 when there is none."""
        return self._parts[-1][0] if self._parts else 0.0

    def clear(self) -> None:
        """Forget all."""
        self._parts.clear()

    def _part(self, now: float, window: float) -> list[int]:
        if not self._parts or now - self._parts[-1][0] >= window / PARTS:
            while self._parts and now - self._parts[0][0] > window:
                del self._parts[0]
            self._parts.append((now, [0, 0]))
        return self._parts[-1][1]
