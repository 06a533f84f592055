"""The order in which a model's targets are tried: what `strategy` means.

| strategy | first is |
|---|---|
| `weighted` | drawn by weight; so is the second from the rest, and so on |
| `lowest_latency` | the one with the shortest time to first token; one request in twenty explores |
| `lowest_cost` | the cheapest for this request, by its prompt and the answer it allows |
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from policies.events import Usage
from policies.limits import client_limit
from policies.prices import Price
from proxy.accounting.pricing.models import target
from proxy.config.models import Prices
from proxy.config.resolve import ResolvedTarget
from proxy.routing.capabilities import Needs
from proxy.routing.targets import Targets

EXPLORING = 0.05
"""The share of requests that `lowest_latency` sends to a target at random."""

USUAL_ANSWER = 500
"""Tokens that an answer has, for the comparison of costs, when the request sets no limit."""

Chosen: TypeAlias = Literal["only", "weighted", "lowest_latency", "exploration", "lowest_cost"]


@dataclass(frozen=True, slots=True)
class Known:
    """What strategies go by. `draw` gives numbers in [0, 1)."""

    targets: Targets
    prices: Mapping[str, Prices]
    needs: Needs
    draw: Callable[[], float] = random.random


def ordered(places: Sequence[ResolvedTarget], strategy: str, known: Known) -> tuple[list[ResolvedTarget], Chosen]:
    """The places in the order to try them, and by what the first was chosen."""
    if len(places) == 1:
        return list(places), "only"
    match strategy:
        case "lowest_latency":
            return _by_latency(places, known)
        case "lowest_cost":
            return sorted(places, key=lambda place: _cost(place, known)), "lowest_cost"
        case _:
            drawn = sorted(places, key=lambda place: known.draw() ** (1 / place.target.weight), reverse=True)
            return drawn, "weighted"


def _by_latency(places: Sequence[ResolvedTarget], known: Known) -> tuple[list[ResolvedTarget], Chosen]:
    shuffled = sorted(places, key=lambda place: known.draw())  # of equals, none is always the first
    if known.draw() < EXPLORING:
        return shuffled, "exploration"
    return sorted(shuffled, key=lambda p: known.targets.health(p).latency.expected()), "lowest_latency"


def _cost(place: ResolvedTarget, known: Known) -> float:
    price: Price | None = target(known.prices, place.provider_name, place.api, place.model).price
    if price is None:
        return float("inf")
    return price.cost(Usage(known.needs.tokens(), _answer(known.needs.body))).total


def _answer(body: Mapping[str, Any]) -> int:
    return client_limit(body) or USUAL_ANSWER
