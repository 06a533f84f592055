"""Equality of JSON values: equal values get the same number.

The values 1 and 1.0 are equal, 1 and true are not. The order of an object's members does not matter. Each value is
examined once, however deep it is and however often it is compared.
"""

from collections.abc import Hashable
from typing import Any

from policies.json_guard.pace import Task
from policies.json_guard.pattern import Spend

_EXACT = 2**53
"""Up to this bound, every integer is a float."""

CONTAINERS = frozenset({list, dict})


def scalar(value: Any) -> Hashable:
    """Return a key that is equal for equal strings, numbers, booleans and nulls only."""
    if type(value) is int and not -_EXACT <= value <= _EXACT:
        return _large(value)
    return (bool, value) if type(value) is bool else value


def _large(value: int) -> Hashable:
    """Return a large integer that equals no float, as text.

    An attacker can choose such integers with equal hashes, and a set of them would take quadratic time. The hash of a
    text is unpredictable.
    """
    try:
        if float(value) == value:
            return value
    except OverflowError:
        pass
    return int, hex(value)


class Identities:
    """The numbers assigned so far. Call `forget` before the values that were numbered last can be freed."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._containers: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def forget(self) -> None:
        """Mark that the numbered values may be freed. The numbers stay."""
        self._containers.clear()

    def of(self, value: Any, spend: Spend) -> Any:
        """Return the number of a value, or the task that finds it."""
        if type(value) not in CONTAINERS:
            return self._number(scalar(value))
        known = self._containers.get(id(value))
        if known is not None:
            return known
        return self._list(value, spend) if type(value) is list else self._object(value, spend)

    def _list(self, items: list[Any], spend: Spend) -> Task:
        number = self._number((list,))
        for item in items:
            spend(1)
            number = self._number((number, (yield self.of(item, spend))))
        self._containers[id(items)] = number
        return number

    def _object(self, members: dict[str, Any], spend: Spend) -> Task:
        found = set()
        for name, value in members.items():
            spend(1)
            found.add(self._number((name, (yield self.of(value, spend)))))
        number = self._containers[id(members)] = self._number(frozenset(found))
        return number

    def _number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))
