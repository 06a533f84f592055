"""A retry budget: retries are at most a share of a key's requests to a provider.

So an outage does not multiply the load, and no key uses up what another has earned.

Theory: a bucket. Each request puts its share in, each retry takes one out; what a quiet time leaves unused is bounded.
"""

MAX = 10.0
"""Retries that can be saved up, and those that there are at the start."""


class Budget:
    """One key's at one provider. `share` is retries a request."""

    def __init__(self, share: float) -> None:
        self.share = share
        self._left = MAX

    def earn(self) -> None:
        """A request was made that is no retry."""
        self._left = min(MAX, self._left + self.share)

    def spend(self) -> bool:
        """Take a retry; whether there was one."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
