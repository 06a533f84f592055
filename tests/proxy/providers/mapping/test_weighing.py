"""The size of a JSON value before it is encoded."""

from typing import Any

import pytest

from proxy.providers.mapping.weighing import SCALAR, weighed


@pytest.mark.parametrize(
    ("value", "values", "size"),
    [
        ("abc", 1, 3),
        (None, 1, SCALAR),
        ([], 1, SCALAR),
        ({"name": ["a", 1, {}]}, 5, 4 * SCALAR + 5),
    ],
)
def test_values_and_bytes(value: Any, values: int, size: int) -> None:
    assert weighed(value) == (values, size)


def test_an_object_in_many_places_counts_in_each_of_them() -> None:
    text = "x" * 1000
    assert weighed([{"text": text}] * 100)[1] > 100_000


def test_weighing_stops_above_the_bound() -> None:
    one: list[Any] = ["x"]
    for _ in range(60):
        one = [one, one]
    values, size = weighed(one, 1000)
    assert size > 1000 and values < 1000
