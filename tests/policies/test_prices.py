"""A cost and its parts."""

import pytest

from policies.events import Usage
from policies.prices import Price


@pytest.mark.parametrize(
    ("price", "usage", "parts"),
    [
        (Price(1, 10), Usage(100, 50), (100, 0, 0, 500, 0)),
        (Price(1, 10), Usage(100, 50, cached=30, cache_write=20, reasoning=40), (50, 30, 20, 100, 400)),
        (Price(1, 10, 0.1, 2, 20), Usage(100, 50, cached=30, cache_write=20, reasoning=40), (50, 3, 40, 100, 800)),
        (Price(1, 10, cached=0), Usage(100, 0, cached=100), (0, 0, 0, 0, 0)),
        (Price(1, 10), Usage(10, 5, cached=99, cache_write=99, reasoning=99), (0, 10, 0, 0, 50)),
        (Price(1, 10, above=((100, Price(2, 20)),)), Usage(100, 1), (100, 0, 0, 10, 0)),
        (Price(1, 10, above=((100, Price(2, 20)),)), Usage(101, 1), (202, 0, 0, 20, 0)),
    ],
)
def test_each_token_is_in_one_part(price: Price, usage: Usage, parts: tuple[float, ...]) -> None:
    cost = price.cost(usage)
    found = (cost.input, cost.cached, cost.cache_write, cost.output, cost.reasoning)
    assert [part * 1e6 for part in found] == pytest.approx(list(parts))
    assert cost.total * 1e6 == pytest.approx(sum(parts))


def test_the_dearest_token_of_an_answer() -> None:
    assert Price(1, 10).dearest == 10
    assert Price(1, 10, reasoning=20).dearest == 20
    assert Price(1, 10, reasoning=5).dearest == 10
