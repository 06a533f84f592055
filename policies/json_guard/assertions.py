"""JSON Schema keywords that examine a value without its parts. Each takes about one step.

For each keyword there is the preparation of its argument, done when the schema is compiled, and the test of a value. A
value of another type than the keyword's passes.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from policies.json_guard.equality import CONTAINERS, scalar

Assertion = Callable[[Any, Any], bool]

_NUMBERS = frozenset({int, float})
_KINDS: Final[dict[str, frozenset[type]]] = {
    "object": frozenset({dict}),
    "array": frozenset({list}),
    "string": frozenset({str}),
    "number": _NUMBERS,
    "integer": frozenset({int}),
    "boolean": frozenset({bool}),
    "null": frozenset({type(None)}),
}


def _kinds(names: str | list[str]) -> frozenset[type]:
    return frozenset().union(*(_KINDS[name] for name in ([names] if isinstance(names, str) else names)))


def _has_kind(kinds: frozenset[type], value: Any) -> bool:
    kind = type(value)
    return kind in kinds or (kind is float and int in kinds and value.is_integer())


def _ratio(number: int | float) -> tuple[int, int]:
    """Return the number as it is written, as a ratio: 0.1 is a tenth."""
    return (number, 1) if isinstance(number, int) else Decimal(repr(number)).as_integer_ratio()


def _is_multiple(divisor: tuple[int, int], value: Any) -> bool:
    if type(value) not in _NUMBERS:
        return True
    over, under = _ratio(value)
    return over * divisor[1] % (under * divisor[0]) == 0


def _is_among(values: frozenset[Any], value: Any) -> bool:
    return type(value) not in CONTAINERS and scalar(value) in values


def _has_all(names: frozenset[str], value: Any) -> bool:
    return type(value) is not dict or (len(names) <= len(value) and value.keys() >= names)


def _never(argument: Any, value: Any) -> bool:
    return False


def _same(argument: Any) -> Any:
    return argument


NEVER: Final[tuple[str, Assertion, Any]] = ("", _never, None)
"""The assertion of the schema `false`."""

ASSERTIONS: Final[dict[str, tuple[Callable[[Any], Any], Assertion]]] = {
    "type": (_kinds, _has_kind),
    "multipleOf": (_ratio, _is_multiple),
    "minimum": (_same, lambda least, value: type(value) not in _NUMBERS or value >= least),
    "maximum": (_same, lambda most, value: type(value) not in _NUMBERS or value <= most),
    "exclusiveMinimum": (_same, lambda least, value: type(value) not in _NUMBERS or value > least),
    "exclusiveMaximum": (_same, lambda most, value: type(value) not in _NUMBERS or value < most),
    "minLength": (_same, lambda least, value: type(value) is not str or len(value) >= least),
    "maxLength": (_same, lambda most, value: type(value) is not str or len(value) <= most),
    "minItems": (_same, lambda least, value: type(value) is not list or len(value) >= least),
    "maxItems": (_same, lambda most, value: type(value) is not list or len(value) <= most),
    "minProperties": (_same, lambda least, value: type(value) is not dict or len(value) >= least),
    "maxProperties": (_same, lambda most, value: type(value) is not dict or len(value) <= most),
    "required": (frozenset, _has_all),
}


def among(values: list[Any]) -> tuple[Assertion, Any] | None:
    """Return the assertion that a value is one of `values`, or None if some of them have parts."""
    if any(type(value) in CONTAINERS for value in values):
        return None
    return _is_among, frozenset(map(scalar, values))
