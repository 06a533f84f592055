"""JSON Schema keywords that apply schemas to a value or its parts, or examine the whole value.

Each is a task. It gets the run, the keyword's prepared argument, the value, and the marks if the evaluated parts of the
value matter. It yields the result of `Run.judge` for each further schema and value. It returns the fault or None.

A fault is the path to the violated keyword, step by step: `("items", ("type", ()))`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from policies.json_guard.equality import Identities
from policies.json_guard.pace import Task
from policies.json_guard.pattern import Pattern, Spend
from policies.json_guard.survey import Child

Fault: TypeAlias = tuple[Any, ...]


class Marks:
    """The evaluated parts of one value. `unevaluatedProperties` and `unevaluatedItems` apply to the rest.

    `first` is the number of evaluated items at the start. `places` are further items.
    """

    __slots__ = ("every_item", "every_name", "first", "names", "places")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.every_name = False
        self.first = 0
        self.places: set[int] = set()
        self.every_item = False

    def add(self, other: "Marks", spend: Spend) -> None:
        spend((len(other.names) + len(other.places)) >> 2)
        self.names |= other.names
        self.every_name |= other.every_name
        self.first = max(self.first, other.first)
        self.places |= other.places
        self.every_item |= other.every_item


class Run(Protocol):
    """The check of one value against the rules."""

    spend: Spend
    identities: Identities

    def judge(self, number: Child, value: Any, marks: Marks | None) -> Any:
        """Return the fault of a value by a schema, None if there is none, or the task that finds it."""


Applicator: TypeAlias = Callable[[Run, Any, Any, Marks | None], Task]


# ---- schemas for the same value
def _reference(run: Run, number: Child, value: Any, marks: Marks | None) -> Task:
    return (yield run.judge(number, value, marks))


def _all_of(run: Run, numbers: tuple[Child, ...], value: Any, marks: Marks | None) -> Task:
    for at, number in enumerate(numbers):
        fault = yield run.judge(number, value, marks)
        if fault is not None:
            return "allOf", (at, fault)
    return None


def _any_of(run: Run, numbers: tuple[Child, ...], value: Any, marks: Marks | None) -> Task:
    holds = False
    for number in numbers:
        branch = None if marks is None else Marks()
        if (yield run.judge(number, value, branch)) is None:
            holds = True
            if marks is None or branch is None:
                break
            marks.add(branch, run.spend)
    return None if holds else ("anyOf", ())


def _one_of(run: Run, numbers: tuple[Child, ...], value: Any, marks: Marks | None) -> Task:
    hold = 0
    for number in numbers:
        branch = None if marks is None else Marks()
        if (yield run.judge(number, value, branch)) is None:
            hold += 1
            if hold > 1:
                break
            if marks is not None and branch is not None:
                marks.add(branch, run.spend)
    return None if hold == 1 else ("oneOf", ())


def _not(run: Run, number: Child, value: Any, marks: Marks | None) -> Task:
    fault = yield run.judge(number, value, None)
    return ("not", ()) if fault is None else None


def _if(run: Run, numbers: tuple[Child, Child, Child], value: Any, marks: Marks | None) -> Task:
    condition, then, otherwise = numbers
    branch = None if marks is None else Marks()
    holds = (yield run.judge(condition, value, branch)) is None
    if holds and marks is not None and branch is not None:
        marks.add(branch, run.spend)
    fault = yield run.judge(then if holds else otherwise, value, marks)
    return None if fault is None else ("then" if holds else "else", fault)


def _dependent_schemas(run: Run, numbers: Mapping[str, Child], value: Any, marks: Marks | None) -> Task:
    for name in _both(run, numbers, value):
        fault = yield run.judge(numbers[name], value, marks)
        if fault is not None:
            return "dependentSchemas", (name, fault)
    return None


# ---- objects
def _properties(run: Run, numbers: Mapping[str, Child], value: Any, marks: Marks | None) -> Task:
    names = _both(run, numbers, value)
    if marks is not None:
        marks.names.update(names)
    for name in names:
        fault = yield run.judge(numbers[name], value[name], None)
        if fault is not None:
            return "properties", (name, fault)
    return None


def _pattern_properties(run: Run, rules: list[tuple[Pattern, Child]], value: Any, marks: Marks | None) -> Task:
    for pattern, number in rules:
        for name, item in value.items() if type(value) is dict else ():
            if (yield pattern.search(name, run.spend)):
                if marks is not None:
                    marks.names.add(name)
                if (yield run.judge(number, item, None)) is not None:
                    return "patternProperties", ()
    return None


def _additional_properties(
    run: Run, rule: tuple[frozenset[str], list[Pattern], Child], value: Any, marks: Marks | None
) -> Task:
    known, patterns, number = rule
    for name in _others(run, value, known) if number is not None else ():
        if (yield _found(patterns, name, run.spend)):
            continue
        if (yield run.judge(number, value[name], None)) is not None:
            return "additionalProperties", ()
    if marks is not None:
        marks.every_name = True
    return None


def _found(patterns: list[Pattern], name: str, spend: Spend) -> Task:
    for pattern in patterns:
        if (yield pattern.search(name, spend)):
            return True
    return False


def _property_names(run: Run, number: Child, value: Any, marks: Marks | None) -> Task:
    for name in value if type(value) is dict else ():
        fault = yield run.judge(number, name, None)
        if fault is not None:
            return "propertyNames", fault
    return None


def _dependent_required(run: Run, needs: Mapping[str, frozenset[str]], value: Any, marks: Marks | None) -> Task:
    for name in _both(run, needs, value):
        if len(needs[name]) > len(value):
            return "dependentRequired", ()
        run.spend(1 + (len(needs[name]) >> 2))
        if not value.keys() >= needs[name]:
            return "dependentRequired", ()
        yield
    return None


def _unevaluated_properties(run: Run, number: Child, value: Any, marks: Marks | None) -> Task:
    assert marks is not None
    if not marks.every_name:
        for name in _others(run, value, marks.names):
            if (yield run.judge(number, value[name], None)) is not None:
                return "unevaluatedProperties", ()
    marks.every_name = True
    return None


def _both(run: Run, names: Mapping[str, Any], value: Any) -> list[str]:
    """List the names that are also in an object."""
    if type(value) is not dict:
        return []
    run.spend(min(len(names), len(value)) >> 2)
    if len(names) <= len(value):
        return [name for name in names if name in value]
    return [name for name in value if name in names]


def _others(run: Run, value: Any, names: "frozenset[str] | set[str]") -> Iterable[str]:
    """Yield the names of an object that are not in `names`."""
    if type(value) is not dict:
        return ()
    run.spend(len(value) >> 2)
    return value.keys() - names


# ---- arrays
def _items(run: Run, rule: tuple[int, Child], value: Any, marks: Marks | None) -> Task:
    start, number = rule
    if type(value) is not list:
        return None
    for at in range(start, len(value) if number is not None else 0):
        fault = yield run.judge(number, value[at], None)
        if fault is not None:
            return "items", fault
    if marks is not None:
        marks.every_item = True
    return None


def _prefix_items(run: Run, numbers: tuple[Child, ...], value: Any, marks: Marks | None) -> Task:
    if type(value) is not list:
        return None
    for at, (number, item) in enumerate(zip(numbers, value, strict=False)):
        fault = yield run.judge(number, item, None)
        if fault is not None:
            return "prefixItems", (at, fault)
    if marks is not None:
        marks.first = max(marks.first, len(numbers))
    return None


def _contains(run: Run, rule: tuple[Child, float, float], value: Any, marks: Marks | None) -> Task:
    number, least, most = rule
    if type(value) is not list:
        return None
    count = 0
    for at, item in enumerate(value):
        if (yield run.judge(number, item, None)) is None:
            count += 1
            if count > most or (marks is None and least <= count and most == float("inf")):
                break
            if marks is not None:
                marks.places.add(at)
    return None if least <= count <= most else ("contains", ())


def _unevaluated_items(run: Run, number: Child, value: Any, marks: Marks | None) -> Task:
    assert marks is not None
    if type(value) is not list:
        return None
    for at in range(marks.first, 0 if marks.every_item else len(value)):
        if at in marks.places:
            yield
        elif (yield run.judge(number, value[at], None)) is not None:
            return "unevaluatedItems", ()
    marks.every_item = True
    return None


# ---- the whole value
def _pattern(run: Run, pattern: Pattern, value: Any, marks: Marks | None) -> Task:
    if type(value) is str and not (yield pattern.search(value, run.spend)):
        return "pattern", ()
    return None


def _enum(run: Run, numbers: frozenset[int], value: Any, marks: Marks | None) -> Task:
    return None if (yield run.identities.of(value, run.spend)) in numbers else ("enum", ())


def _const(run: Run, numbers: frozenset[int], value: Any, marks: Marks | None) -> Task:
    return None if (yield run.identities.of(value, run.spend)) in numbers else ("const", ())


def _unique_items(run: Run, wanted: bool, value: Any, marks: Marks | None) -> Task:
    found: set[int] = set()
    for item in value if wanted and type(value) is list else ():
        run.spend(1)
        number = yield run.identities.of(item, run.spend)
        if number in found:
            return "uniqueItems", ()
        found.add(number)
    return None


APPLICATORS: Final[dict[str, Applicator]] = {
    "$ref": _reference,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "dependentSchemas": _dependent_schemas,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "dependentRequired": _dependent_required,
    "items": _items,
    "prefixItems": _prefix_items,
    "contains": _contains,
    "pattern": _pattern,
    "enum": _enum,
    "const": _const,
    "uniqueItems": _unique_items,
    "unevaluatedItems": _unevaluated_items,
    "unevaluatedProperties": _unevaluated_properties,
}
