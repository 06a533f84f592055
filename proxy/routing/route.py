"""One request's way: which target is tried first, and which after each failure.

Rule: it decides and does nothing; the driver tells it what became of each attempt. Whether another attempt may be made
at all (nothing went to the client yet) is the driver's affair.

Theory. A request has one or more models: the one that was asked for, then its fallbacks. A model has targets, in the
order of its strategy. After a failure the model's next target that was not tried takes over at once; when all were
tried, one is tried again after a wait; when the model's attempts are spent, the next model begins.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from proxy.access.slots import Slots
from proxy.accounting.record import Why
from proxy.config.models import Retries
from proxy.config.resolve import ResolvedTarget
from proxy.errors import GatewayError, KeyPaused, UpstreamError
from proxy.routing.breaker import Circuit
from proxy.routing.targets import MAX_REST, Targets
from proxy.routing.verdict import Verdict, is_fault, verdict


@dataclass(frozen=True, slots=True)
class Group:
    """One model's targets in the order to try them, and by what that order was made."""

    places: Sequence[ResolvedTarget]
    chosen: str


@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt: at which target, after how many seconds, and why."""

    place: ResolvedTarget
    reason: Why
    chosen: str
    wait: float = 0.0


@dataclass(slots=True)
class Route:
    """Decides for one request. `groups` has at least one, each with at least one place. `retries` are the limits of
    the configuration that the request began with. `key` names whose request it is. `draw` gives numbers in [0, 1)."""

    groups: Sequence[Group]
    targets: Targets
    retries: Retries
    key: str | None = None
    draw: Callable[[], float] = random.random
    _group: int = 0
    _attempts: int = 0
    _tried: list[str] = field(default_factory=list)
    _barred: set[str] = field(default_factory=set)
    _providers: set[str] = field(default_factory=set)
    _step: Step | None = None
    _probe: Circuit | None = None
    _answered: bool = False

    def first(self) -> Step:
        """The first attempt. Raises `UpstreamError` (503) when every target is cooling down, `KeyPaused` (429) when one
        is so for this key alone."""
        for resting in (False, True):  # a provider that asked for a rest is tried only if there is no other
            for group in range(len(self.groups)):
                self._group = group
                if step := self._in_group("fallback" if group else "initial", resting=resting):
                    self.targets.budget(step.place.provider_name, self.key).earn()
                    return self._taken(step)
        raise self._none_left()

    def after(self, error: GatewayError, patience: float = math.inf) -> Step | None:
        """The attempt after one that failed with `error`; None when there is none. No wait is as long as `patience`, in
        seconds."""
        given = verdict(error)
        if given == "final" or self._step is None:
            return None
        if given == "move":
            self._barred.add(self._step.place.name)
        step = self._other(given) or self._again(given, patience) or self._fall_back(given)
        return step and self._taken(step)

    def rejected(self) -> Step | None:
        """The attempt after one whose answer a policy rejected: the same target may well do better."""
        return None if self._step is None else self._taken(Step(self._step.place, "rejected", "again"))

    # ---- what became of an attempt
    def began(self, place: ResolvedTarget) -> None:
        """The attempt goes out. It will have `ended` some time; before that its target may have `answered`, and it may
        have `failed`."""
        health = self.targets.health(place)
        health.running += 1
        self._answered = False
        self._probe = health.breaker.began(self.key)

    def answered(self, place: ResolvedTarget, first_token: float) -> None:
        """The target's answer began, `first_token` seconds after it was asked."""
        health = self.targets.health(place)
        self._answered = True
        health.breaker.answered(self.key, self._probe)
        health.latency.measured(first_token)

    def failed(self, place: ResolvedTarget, error: GatewayError) -> None:
        """The attempt failed."""
        health = self.targets.health(place)
        if is_fault(error):
            health.breaker.failed(self.key, self._probe, answered=self._answered)
        elif isinstance(error, UpstreamError):
            health.breaker.passed(self._probe)
        if error.retry_after:
            health.rests_until = self.targets.clock() + min(error.retry_after, MAX_REST)

    def ended(self, place: ResolvedTarget) -> None:
        """The attempt is over, whatever became of it."""
        health = self.targets.health(place)
        health.running -= 1
        health.breaker.ended(self._probe)
        self._probe = None

    def slots(self, place: ResolvedTarget) -> Slots | None:
        """What an attempt at the target takes one of; None if it has no limit."""
        return None if place.target.max_streams is None else self.targets.health(place).slots

    def check(self, place: ResolvedTarget) -> None:
        """Raises `UpstreamError` (503) or `KeyPaused` (429) when the target began to cool down while the request waited
        for its turn."""
        if not self._allows(place):
            raise self._cooling([place])

    # ---- choosing
    def _in_group(self, reason: Why, *, resting: bool = True) -> Step | None:
        """The group's first place that may be tried."""
        place = next(iter(self._open_places(resting=resting)), None)
        return None if place is None else self._step_to(place, reason)

    def _open_places(self, *, resting: bool = True) -> list[ResolvedTarget]:
        """The group's places that may be tried, those with a free slot before the others; with `resting` also those
        whose provider asked for a rest, behind all others."""
        allowed = [place for place in self.groups[self._group].places if self._may(place)]
        if not resting:
            allowed = [place for place in allowed if self._rest(place) <= 0]
        return sorted(allowed, key=lambda place: (self._rest(place) > 0, not self._has_room(place)))

    def _step_to(self, place: ResolvedTarget, reason: Why) -> Step:
        group = self.groups[self._group]
        return Step(place, reason, group.chosen if place is group.places[0] else "next")

    def _other(self, given: Verdict, reason: Why | None = None) -> Step | None:
        """A target of the same model that was not tried yet, and that the budget allows."""
        if given == "retry" and self._attempts >= self.retries.attempts:
            return None
        place = next((place for place in self._open_places() if self._affords(given, place)), None)
        if place is None:
            return None
        return self._step_to(place, reason or ("fallback" if given == "move" else "retry"))

    def _again(self, given: Verdict, patience: float) -> Step | None:
        """A target that was tried, once more, after a wait."""
        if given != "retry" or self._attempts >= self.retries.attempts:
            return None
        places = {place.name: place for place in self.groups[self._group].places}
        for name in self._tried:
            place = places[name]
            if name in self._barred or not self._allows(place):
                continue
            wait = self._wait(place)
            if wait is not None and wait < patience and self._affords(given, place):
                self._tried.remove(name)  # behind the others, if it fails again
                return Step(place, "retry", "again", wait)
        return None

    def _fall_back(self, given: Verdict) -> Step | None:
        """The next model's target."""
        while self._group + 1 < len(self.groups):
            self._group += 1
            self._attempts = 0
            self._tried.clear()
            if step := self._other(given, "fallback"):
                return step
        return None

    def _affords(self, given: Verdict, place: ResolvedTarget) -> bool:
        """Whether the budget allows an attempt. The request's first one at a provider is allowed, and earns the key a
        share of a retry there, whatever other providers did. One after that costs a retry, but for a `move`: that
        leaves what another attempt at the same target would not mend, and is no sign of too much load."""
        budget = self.targets.budget(place.provider_name, self.key)
        if place.provider_name not in self._providers:
            budget.earn()
            return True
        return given == "move" or budget.spend()

    def _wait(self, place: ResolvedTarget) -> float | None:
        """Seconds before a target is tried again; None when its provider wants to rest longer than we wait."""
        backoff = self.retries.backoff
        longest = min(backoff.max, math.ldexp(backoff.initial, self._attempts - 1))
        rest = self._rest(place)
        return None if rest > backoff.max else max(rest, longest * (0.5 + self.draw() / 2))

    def _may(self, place: ResolvedTarget) -> bool:
        untried = place.name not in self._tried and place.name not in self._barred
        return untried and self._allows(place)

    def _allows(self, place: ResolvedTarget) -> bool:
        return self.targets.health(place).breaker.allows(self.key)

    def _rest(self, place: ResolvedTarget) -> float:
        return self.targets.health(place).rests_until - self.targets.clock()

    def _has_room(self, place: ResolvedTarget) -> bool:
        slots = self.slots(place)
        return slots is None or slots.free

    def _taken(self, step: Step) -> Step:
        self._attempts += 1
        self._providers.add(step.place.provider_name)
        if step.place.name not in self._tried:
            self._tried.append(step.place.name)
        self._step = step
        return step

    def _none_left(self) -> GatewayError:
        return self._cooling([place for group in self.groups for place in group.places])

    def _cooling(self, places: Sequence[ResolvedTarget]) -> GatewayError:
        """The error for a request all of whose targets cool down."""
        breakers = [self.targets.health(place).breaker for place in places]
        wait = max(1.0, min(breaker.wait(self.key) for breaker in breakers))
        if any(breaker.blames(self.key) for breaker in breakers):
            message = (
                "This key's latest requests to this model failed at the provider, while those of other keys were "
                "answered: try again later, with shorter prompts or another model."
            )
            return KeyPaused(message, retry_after=wait)
        message = "Every target of this model failed lately and is left alone for a while: try again later."
        return UpstreamError(message, status=503, code="no_target", retry_after=wait)
