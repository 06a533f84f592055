"""What the process has learnt of its targets: their health, their speed, how much they have to do.

Rule: the state outlives requests; there is one for each `provider/model`. Clients can make up names that a wildcard
takes, so targets that rest are forgotten when there are too many.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.access.slots import Slots
from proxy.config.models import Retries, Server
from proxy.config.resolve import ResolvedTarget
from proxy.routing.breaker import Breaker
from proxy.routing.budget import Budget
from proxy.routing.latency import Latency

MAX = 4096
"""Targets that are remembered."""

MAX_BUDGETS = 4096
"""Retry budgets that are remembered, of a key at a provider each."""

MAX_REST = 60.0
"""Seconds for which a provider's `Retry-After` keeps other requests off a target."""


@dataclass(slots=True)
class Health:
    """One target's state. `rests_until` is when the provider wants to hear of it again; requests go elsewhere until
    then, if there is an elsewhere. `slots` is None for a target without `max_streams`."""

    breaker: Breaker
    latency: Latency
    slots: Slots | None = None
    running: int = 0
    rests_until: float = 0.0


@dataclass(slots=True)
class Targets:
    """All targets of the process. `clock` gives seconds, monotonic."""

    retries: Retries
    server: Server
    clock: Callable[[], float] = time.monotonic
    _health: dict[str, Health] = field(default_factory=dict)
    _budgets: dict[tuple[str, str | None], Budget] = field(default_factory=dict)

    def health(self, place: ResolvedTarget) -> Health:
        """A target's state."""
        known = self._health.get(place.name)
        if known is None:
            if len(self._health) >= MAX:
                self._forget()
            known = self._health[place.name] = self._new()
        most = place.target.max_streams
        if most is not None and known.slots is None:
            known.slots = Slots(most, self.server.max_queued, self.server.queue_seconds)
        elif most is not None and known.slots is not None and known.slots.most != most:  # those at work still count
            known.slots.resize(most, self.server.max_queued, self.server.queue_seconds)
        return known

    def budget(self, provider: str, key: str | None) -> Budget:
        """A key's retry budget at a provider."""
        known = self._budgets.get((provider, key))
        if known is None:
            if len(self._budgets) >= MAX_BUDGETS:
                for oldest in list(self._budgets)[: MAX_BUDGETS // 2]:
                    del self._budgets[oldest]
            known = self._budgets[provider, key] = Budget(self.retries.budget)
        return known

    def use(self, retries: Retries, server: Server) -> None:
        """Other limits from here on; what was learnt stays."""
        self.retries, self.server = retries, server
        for health in self._health.values():
            health.breaker.cooldown = retries.cooldown
            if health.slots is not None:
                health.slots.resize(health.slots.most, server.max_queued, server.queue_seconds)
        for budget in self._budgets.values():
            budget.share = retries.budget

    def seen(self) -> list[tuple[str, Health]]:
        """The targets that were used, by name."""
        return list(self._health.items())

    def _new(self) -> Health:
        return Health(Breaker(self.retries.cooldown, self.clock), Latency(self.clock))

    def _forget(self) -> None:
        """Forget the older half of those that rest: dictionaries keep the order in which keys came."""
        resting = [name for name, health in self._health.items() if not health.running]
        for name in resting[: max(1, len(resting) // 2)]:
            del self._health[name]
