"""A circuit breaker for one target, with a circuit for each key that uses it: no key's failures are another key's.

Rule, in the order in which it is asked:

1. A key's circuit opens when `failures` of its latest attempts failed, and these are at least a `share` of them. The
   target is then left alone by this key, for `seconds`.
2. The target is left alone by every key when the same holds for all attempts together *without* those of the key that
   failed most. So no key by itself can close a target for the others, and two that fail alike do.
3. Then a few attempts are let through as probes: one of a key, then two at once, then four. After so many passes the
   key's circuit is closed. A probe that fails opens it again.

Without keys all clients are one key, so the first rule decides. `docs/routing.md` says which failures count.

Theory. Keys come from the configuration, but there may be thousands: the state of those that used the target longest
ago is forgotten beyond `MAX_KEYS`. A key that is unknown while the target is left alone starts with an open circuit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from proxy.config.models import Cooldown
from proxy.routing.outcomes import Outcomes

MAX_KEYS = 32
"""Keys of one target that are remembered."""

MAX_PROBING_KEYS = 4
"""Keys that probe one target at the same time: none of them can keep the others from finding that it is well again."""

PASSES = 3
"""Probes of a key that must be answered before its circuit is closed."""

ENOUGH = 50
"""Latest outcomes of a key that count, if there are so many within the window."""

PROBE_WAIT = 1.0
"""Seconds after which to ask again while probes are under way."""


@dataclass(slots=True)
class Circuit:
    """One key's at one target. `open_until` None: closed. `own`: the key's own attempts opened it, not the target's
    outage. `passed` and `probing` count probes."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    open_until: float | None = None
    own: bool = False
    passed: int = 0
    probing: int = 0

    def open(self, until: float, *, own: bool) -> None:
        """Leave the target alone until then."""
        self.open_until, self.own, self.passed = until, own, 0

    def close(self) -> None:
        """Use the target as before."""
        self.open_until, self.passed = None, 0
        self.outcomes.clear()


class Breaker:
    """One target's. `clock` gives seconds, monotonic. A key is None where nobody says who asks."""

    def __init__(self, cooldown: Cooldown, clock: Callable[[], float]) -> None:
        self.cooldown = cooldown
        self._clock = clock
        self._circuits: dict[str | None, Circuit] = {}
        self._outage: float | None = None

    # ---- what a request may do
    def wait(self, key: str | None) -> float:
        """Seconds until a request of the key may try the target; 0 when it may now."""
        circuit = self._known(key)
        if circuit is None or circuit.open_until is None:
            return 0.0
        left = circuit.open_until - self._clock()
        if left > 0:
            return left
        return 0.0 if self._may_probe(circuit) else PROBE_WAIT

    def allows(self, key: str | None) -> bool:
        """Whether a request of the key may try the target now."""
        return self.wait(key) == 0

    def blames(self, key: str | None) -> bool:
        """Whether this key must leave the target alone for what became of its own attempts, while other keys' are
        answered."""
        circuit = self._known(key)
        if circuit is None or circuit.open_until is None or not circuit.own:
            return False
        answered, failed = self._sum([other for other in self._circuits.values() if other is not circuit])
        return answered > 0 and not self._is_bad(answered, failed)

    # ---- what became of it
    def began(self, key: str | None) -> Circuit | None:
        """A request of the key tries the target. Gives the circuit that it probes, None if it is no probe; give it to
        the calls that follow, the last of which is `ended`."""
        circuit = self._known(key)
        if circuit is None or circuit.open_until is None or self._clock() < circuit.open_until:
            return None
        circuit.probing += 1
        return circuit

    def answered(self, key: str | None, probe: Circuit | None) -> None:
        """The target's answer began."""
        self._circuit(key).outcomes.answered(self._clock(), self.cooldown.window)
        self.passed(probe)

    def passed(self, probe: Circuit | None) -> None:
        """The target said something, be it a refusal: it is up."""
        if probe is None or probe.open_until is None:
            return
        probe.passed += 1
        if probe.passed >= PASSES:
            probe.close()
            self._outage = None

    def failed(self, key: str | None, probe: Circuit | None, *, answered: bool) -> None:
        """The target failed, before or after its answer began."""
        now, circuit = self._clock(), self._circuit(key)
        circuit.outcomes.failed(now, self.cooldown.window, answered=answered)
        until = now + self.cooldown.seconds
        if probe is not None or (circuit.open_until is None and self._is_bad(*self._sum([circuit]))):
            circuit.open(until, own=True)
        if not self._is_out() and self._fails_without_its_worst():
            self._outage = until
            for each in self._circuits.values():
                each.open(until, own=False)
                each.outcomes.clear()  # what comes after the outage is judged by itself

    @staticmethod
    def ended(probe: Circuit | None) -> None:
        """The attempt is over."""
        if probe is not None:
            probe.probing -= 1

    # ---- what is told of it
    @property
    def failures(self) -> int:
        """Failures within the window, of all keys."""
        return self._sum(self._circuits.values())[1]

    def opens_in(self) -> float:
        """Seconds until the target may be tried by any key that has used it; 0 when one may now."""
        return min((self.wait(name) for name in self._circuits), default=0.0)

    def paused(self) -> Iterator[str]:
        """The keys that must leave the target alone while others use it."""
        if self.opens_in() == 0:
            yield from (name for name in self._circuits if name is not None and self.wait(name) > 0)

    # ---- circuits
    def _known(self, key: str | None) -> Circuit | None:
        """A key's circuit; None if there is nothing to know of it."""
        circuit = self._circuits.get(key)
        return self._circuit(key) if circuit is None and self._outage is not None else circuit

    def _circuit(self, key: str | None) -> Circuit:
        """A key's circuit. A new one is open while the target is not known to be well again."""
        circuit = self._circuits.get(key)
        if circuit is None:
            if len(self._circuits) >= MAX_KEYS:
                self._forget()
            circuit = self._circuits[key] = Circuit()
            if self._outage is not None:
                circuit.open(self._outage, own=False)
        return circuit

    def _forget(self) -> None:
        """Forget the key that used the target longest ago, a closed circuit before an open one."""
        circuits = self._circuits
        del circuits[min(circuits, key=lambda k: (circuits[k].open_until is not None, circuits[k].outcomes.latest))]

    def _may_probe(self, circuit: Circuit) -> bool:
        if circuit.probing:
            return circuit.probing < 1 << circuit.passed
        return sum(other.probing > 0 for other in self._circuits.values()) < MAX_PROBING_KEYS

    # ---- counts
    def _is_out(self) -> bool:
        return self._outage is not None and self._clock() < self._outage

    def _is_bad(self, answered: int, failed: int) -> bool:
        return failed >= self.cooldown.failures and failed >= self.cooldown.share * (answered + failed)

    def _fails_without_its_worst(self) -> bool:
        circuits = sorted(self._circuits.values(), key=lambda circuit: self._sum([circuit])[1])
        return self._is_bad(*self._sum(circuits[:-1]))

    def _sum(self, circuits: Iterable[Circuit]) -> tuple[int, int]:
        """How many attempts of these were answered and how many failed, lately."""
        now, enough = self._clock(), max(ENOUGH, 4 * self.cooldown.failures)
        counts = [circuit.outcomes.counts(now, self.cooldown.window, enough) for circuit in circuits]
        return sum(answered for answered, _ in counts), sum(failed for _, failed in counts)
