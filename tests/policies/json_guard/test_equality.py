"""Values have the same number if JSON Schema treats them as equal. Each is examined once."""

import time
from typing import Any

import pytest

from policies.json_guard.equality import Identities
from policies.json_guard.pace import Pace, driven
from policies.steps import finished
from policies.work import Work

DIFFERENT: list[Any] = [
    0,
    1,
    -1,
    1.5,
    "",
    "1",
    True,
    False,
    None,
    [],
    {},
    [0],
    [False],
    [[]],
    [{}],
    [1, 2],
    [2, 1],
    [[1], 2],
]
DIFFERENT += [{"a": 1}, {"a": True}, {"b": 1}, {"a": 1, "b": 1}, {"a": {}}, {"a": []}, {"a": [1]}, [["a", 1]], ["a", 1]]


class Numbers:
    def __init__(self) -> None:
        self.spent = 0
        self._identities = Identities()
        self._pace = Pace(Work(10_000_000))

    def of(self, value: Any) -> Any:
        number = self._identities.of(value, self._spend)
        return number if isinstance(number, int) else finished(driven(number, self._pace))

    def _spend(self, steps: int) -> None:
        self.spent += steps


def test_different_values_have_different_numbers() -> None:
    numbers = Numbers()
    assert len({numbers.of(value) for value in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), ([1.0, "a"], [1, "a"]), ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1.0}), (-0.0, 0), ([{}], [{}])],
)
def test_equal_values_have_the_same_number(one: Any, other: Any) -> None:
    numbers = Numbers()
    assert numbers.of(one) == numbers.of(other)


@pytest.mark.parametrize(
    "number", [2**53, 2**53 + 1, 2**60, -(2**60), 10**22, 10**23, 10**298, -(10**298) - 1, 2**1030]
)
def test_large_integers_are_equal_to_themselves_and_to_the_floats_that_they_are(number: int) -> None:
    numbers = Numbers()
    assert numbers.of(number) == numbers.of(int(str(number)))
    assert numbers.of(number) != numbers.of(number + 1)
    if abs(number) < 10**300:
        assert (numbers.of(float(number)) == numbers.of(number)) is (float(number) == number)


def test_integers_with_equal_hashes_do_not_take_quadratic_time() -> None:
    colliding = [(2**61 - 1) * factor for factor in range(2**20, 2**20 + 60_000)]
    assert len(set(map(hash, colliding))) == 1
    numbers = Numbers()
    start = time.process_time()
    assert numbers.of(colliding) == numbers.of(list(colliding))
    assert time.process_time() - start < 2


def test_a_value_is_looked_at_once_however_deep_and_however_often() -> None:
    value: Any = list(range(1000))
    for _ in range(100):
        value = [value, {"a": 1}]
    numbers = Numbers()
    first = numbers.of(value)
    assert numbers.spent < 2000
    assert numbers.of(value) == first and numbers.of(value[0]) != first
    assert numbers.spent < 2000
