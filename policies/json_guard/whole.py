"""A whole answer, held against the whole schema by the `jsonschema` library (2020-12), within a budget.

The schema and, through the prompt, the answer are the client's. So nothing is fetched, patterns are searched in linear
time, `enum`, `const` and `uniqueItems` compare by hash, and the work is counted: a pair that would keep the gateway
from its other streams is rejected. Messages name the place in the schema, never the answer's text.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import referencing
from jsonschema import Draft202012Validator, ValidationError, validators  # type: ignore[import-untyped,unused-ignore]

from policies.json_guard.pattern import Pattern, Unsupported
from policies.json_guard.schema import Schema, SchemaError

STEPS_EACH: Final = 20
MOST_STEPS: Final = 500_000
"""The budget: so many steps for each character of the answer and ten thousand more, at most this many: about a
second."""

MOST_STATES: Final = 20_000
"""How many states all patterns of a schema may have."""

_HIDDEN = ("unevaluatedProperties", "additionalProperties", "patternProperties")
"""Keywords behind which a place holds names of the answer."""


class _Spent(Exception):
    """The budget is used up."""


class Whole:
    """What whole answers are held against; None for any JSON. Raises `SchemaError` for what cannot be checked."""

    def __init__(self, schema: Schema | None) -> None:
        self._schema: Any = None if schema is None else _plain(schema.source)
        self._patterns: dict[str, Pattern] = {}
        states = 0
        for pattern in sorted(schema.patterns) if schema is not None else ():
            try:
                self._patterns[pattern] = Pattern(pattern)
            except Unsupported as error:
                raise SchemaError(f"the pattern {pattern!r} {error}: write it another way, or leave it out") from None
            states += self._patterns[pattern].size
            if states > MOST_STATES:
                raise SchemaError(f"its patterns have more than {MOST_STATES} states: leave some of them out")

    def fault(self, text: str) -> str | None:
        """What is wrong with an answer; None when it fits."""
        try:
            document = json.loads(text, parse_int=_integer, parse_float=_real, parse_constant=_real)
        except (ValueError, RecursionError):
            return "the answer is not JSON"
        if self._schema is None:
            return None
        try:
            error = next(self._validator(len(text)).iter_errors(document), None)
        except _Spent:
            return "the answer takes too long to check against the schema"
        except RecursionError:
            return "the schema and the answer nest too deep to check"
        return None if error is None else f"the answer breaks the schema at {_place(error)}"

    def _validator(self, length: int) -> Any:
        rules = _Rules(self._patterns, min(STEPS_EACH * length + 10_000, MOST_STEPS))
        checks = {keyword: rules.counted(check) for keyword, check in Draft202012Validator.VALIDATORS.items()}
        checks |= {
            "additionalProperties": rules.additional,
            "const": rules.const,
            "enum": rules.enum,
            "pattern": rules.pattern,
            "patternProperties": rules.pattern_properties,
            "uniqueItems": rules.unique,
        }
        extend: Any = validators.extend
        return extend(Draft202012Validator, checks)(self._schema, registry=referencing.Registry())


class _Rules:
    """The keywords of one validation, with its budget. Keyword functions have the library's own four arguments."""

    def __init__(self, patterns: dict[str, Pattern], steps: int) -> None:
        self._patterns = patterns
        self._left = steps
        self._sets: dict[int, frozenset[Any]] = {}

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _Spent

    def counted(self, check: Callable[..., Any]) -> Callable[..., Any]:
        def run(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
            self.spend(1 + (len(value) >> 3 if isinstance(value, dict | list) else 0))
            return check(validator, value, instance, schema)

        return run

    def enum(self, validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if id(value) not in self._sets:
            self._sets[id(value)] = frozenset(self._key(each) for each in value)
        if self._key(instance) not in self._sets[id(value)]:
            yield ValidationError("is none of the values")

    def const(self, validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if self._key(instance) != self._key(value):
            yield ValidationError("is not the value")

    def unique(self, validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if value and isinstance(instance, list) and len({self._key(each) for each in instance}) < len(instance):
            yield ValidationError("has equal items")

    def pattern(self, validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not self._found(value, instance):
            yield ValidationError("does not match")

    def pattern_properties(self, validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        for pattern, subschema in value.items() if isinstance(instance, dict) else ():
            for name, item in instance.items():
                if self._found(pattern, name):
                    yield from validator.descend(item, subschema, path=name, schema_path=pattern)

    def additional(self, validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        known = schema.get("properties", {})
        for name, item in instance.items() if isinstance(instance, dict) else ():
            self.spend(1)
            if name not in known and not any(self._found(each, name) for each in schema.get("patternProperties", ())):
                yield from validator.descend(item, value, path=name)

    def _found(self, pattern: str, text: str) -> bool:
        return self._patterns[pattern].search(text, self.spend)

    def _key(self, value: Any) -> Any:
        """Hashable, and equal for what JSON Schema holds equal: 1 and 1.0 are, 1 and true are not."""
        self.spend(1)
        match value:
            case bool():
                return (bool, value)
            case list():
                return (list, *map(self._key, value))
            case dict():
                return (dict, frozenset((name, self._key(item)) for name, item in value.items()))
            case _:
                return value


def _plain(source: Any) -> Any:
    """Without what would make the library take another dialect, or another base for references."""
    if not isinstance(source, dict):
        return source
    if _has(source, "patternProperties") and _has(source, "unevaluatedProperties"):
        raise SchemaError("patternProperties and unevaluatedProperties cannot both be used: leave one of them out")
    return {keyword: value for keyword, value in source.items() if keyword not in ("$schema", "$id")}


def _has(source: Any, name: str) -> bool:
    todo = [source]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            if name in value:
                return True
            todo += value.values()
        elif isinstance(value, list):
            todo += value
    return False


def _integer(text: str) -> float | int:
    return int(text) if len(text) < 300 else _real(text)


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("no JSON number, or too large for one")
    return number


def _place(error: Any) -> str:
    steps = [str(step) for step in error.absolute_schema_path]
    hidden = [at for at, step in enumerate(steps) if step in _HIDDEN]
    return "/".join(steps[: hidden[0] + 1] if hidden else steps) or "its root"
