"""The routing strategies."""

import random
from collections import Counter

from proxy.config.models import Prices, Target
from proxy.formats.openai_chat.operation import CHAT
from proxy.routing.capabilities import Needs, needs
from proxy.routing.order import EXPLORING, Known, ordered
from tests.proxy.routing.places import Clock, place, targets

BODY = {"messages": [{"role": "user", "content": "Hello"}]}
A, B, C = place("p/a"), place("p/b"), place("p/c")


def asked(**members: object) -> Needs:
    return needs(CHAT, {**BODY, **members}, 100)


def test_one_target_is_the_only_one() -> None:
    assert ordered([A], "lowest_cost", Known(targets(Clock()), {}, asked())) == ([A], "only")


def test_by_weight_each_is_first_as_often_as_its_weight_says() -> None:
    light, heavy = place("p/l", Target(target="p/l", weight=1)), place("p/h", Target(target="p/h", weight=3))
    known = Known(targets(Clock()), {}, asked(), random.Random(1).random)
    first = Counter(ordered([light, heavy], "weighted", known)[0][0].model for _ in range(4000))
    assert 0.72 < first["h"] / 4000 < 0.78


def test_by_weight_the_others_follow() -> None:
    known = Known(targets(Clock()), {}, asked(), random.Random(1).random)
    places, chosen = ordered([A, B, C], "weighted", known)
    assert {p.model for p in places} == {"a", "b", "c"} and chosen == "weighted"


def test_by_latency_the_quickest_is_first_and_one_that_nobody_measured_before_it() -> None:
    all_targets = targets(Clock())
    known = Known(all_targets, {}, asked(), lambda: 0.5)
    all_targets.health(A).latency.measured(0.9)
    all_targets.health(B).latency.measured(0.3)
    assert ordered([A, B], "lowest_latency", known) == ([B, A], "lowest_latency")
    assert [p.model for p in ordered([A, B, C], "lowest_latency", known)[0]] == ["c", "b", "a"]


def test_by_latency_some_requests_explore() -> None:
    all_targets = targets(Clock())
    all_targets.health(A).latency.measured(0.9)
    all_targets.health(B).latency.measured(0.3)
    known = Known(all_targets, {}, asked(), random.Random(1).random)
    firsts = Counter((ordered([A, B], "lowest_latency", known)[0][0].model) for _ in range(4000))
    assert 0.5 * EXPLORING / 2 < firsts["a"] / 4000 < 1.5 * EXPLORING / 2


def test_by_cost_the_cheapest_for_this_request_is_first() -> None:
    prices = {"p/a": Prices(input=1, output=10), "p/b": Prices(input=5, output=1)}
    known = Known(targets(Clock()), prices, asked())
    assert ordered([C, A, B], "lowest_cost", known) == ([B, A, C], "lowest_cost")  # no known price: the last
    long_prompt = needs(CHAT, {"messages": [{"role": "user", "content": "word " * 4000}], "max_tokens": 10}, 20_000)
    assert ordered([B, A], "lowest_cost", Known(targets(Clock()), prices, long_prompt))[0] == [A, B]
