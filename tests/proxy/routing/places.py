"""Targets for the tests of routing, and a clock that moves on command."""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.config.models import Backoff, Cooldown, Model, Provider, Retries, Server, Target
from proxy.config.resolve import ResolvedTarget
from proxy.routing.route import Group, Route
from proxy.routing.targets import Targets


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def place(name: str, target: Target | None = None) -> ResolvedTarget:
    """Make the target `name` of a provider that speaks OpenAI's format."""
    provider, _, model = name.partition("/")
    own = target or Target(target=name)
    return ResolvedTarget(provider, Provider(api="openai"), "openai", model, Model(target=name), own)


def targets(clock: Clock, **retries: object) -> Targets:
    """Make targets with waits of 1, 2, 4 and at most 8 seconds, and a cooldown of 30 seconds after 2 failures."""
    limits = {"backoff": Backoff(initial=1, max=8), "cooldown": Cooldown(failures=2, seconds=30), **retries}
    return Targets(Retries.model_validate(limits), Server(), clock)


def route(known: Targets, *groups: Sequence[ResolvedTarget], key: str = "one") -> Route:
    """Make a request's route without randomness: the random part of a wait has its maximum."""
    return Route([Group(places, "only") for places in groups], known, known.retries, key, draw=lambda: 1.0)
