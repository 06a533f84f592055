"""The parts of a schema that a stream can decide: a table of nodes that refer to each other by number.

The stream follows `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`,
`$ref`, `allOf`, `anyOf` and `oneOf`. `oneOf` is treated as `anyOf`: an answer that fits two branches is not rejected.
Other keywords are ignored here. A node's number is its schema's. References are edges of the table, so recursion costs
nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.json_guard.grammar import ARRAY, FALSE, NULL, NUMBER, OBJECT, STRING, TRUE
from policies.json_guard.literals import Literals, in_units
from policies.json_guard.number import Target, target
from policies.json_guard.pace import Pace
from policies.json_guard.survey import Child, Survey
from policies.steps import Steps

MAX_NUMBERS: Final = 64
"""Maximum number of numbers in an `enum` that the stream follows."""

_NONE: Final[frozenset[str]] = frozenset()
_ANY = OBJECT | ARRAY | STRING | NUMBER | TRUE | FALSE | NULL
_TYPES = {
    "object": OBJECT,
    "array": ARRAY,
    "string": STRING,
    "number": NUMBER,
    "integer": NUMBER,
    "boolean": TRUE | FALSE,
    "null": NULL,
}


@dataclass(frozen=True, slots=True)
class Node:
    """One schema's own statements about a value. Of each of `groups`, one node must hold for the same value.

    `names` are those that a cursor follows. A `closed` object may have only `members`.
    """

    kinds: int = _ANY
    integer: bool = False
    strings: Literals | None = None
    numbers: tuple[Target, ...] | None = None
    members: Mapping[str, Child] | None = None
    names: Literals | None = None
    closed: bool = False
    additional: Child = None
    required: frozenset[str] = _NONE
    prefix: tuple[Child, ...] = ()
    items: Child = None
    groups: tuple[tuple[int, ...], ...] = ()


def nodes(survey: Survey, pace: Pace) -> Steps[tuple[Node, ...]]:
    """Make the node of each schema."""
    found: list[Node] = []
    for number, schema in enumerate(survey.schemas):
        pace.place = survey.places[number]
        found.append(_node(survey, number, schema))
        node = found[-1]
        pace.spend(10 + 2 * sum(len(part.strings) for part in (node.names, node.strings) if part is not None))
        if pace.due():
            yield
    return tuple(found)


def _node(survey: Survey, number: int, schema: Mapping[str, Any]) -> Node:
    kinds, integer = _types(schema)
    strings, numbers = None, None
    for values in _allowed(schema):
        found, texts, targets = _literals(values)
        kinds &= found
        strings = texts if strings is None else strings & texts
        if targets is not None:
            numbers = targets if numbers is None else numbers & targets
    members = {in_units(name): survey.child(item) for name, item in schema.get("properties", {}).items()}
    required = frozenset(map(in_units, schema["required"])) if schema.get("required") else _NONE
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    names = members.keys() if closed else members.keys() | required
    return Node(
        kinds=kinds,
        integer=integer,
        strings=None if strings is None else Literals(strings),
        numbers=None if numbers is None else tuple(numbers),
        members=members or None,
        names=Literals(names) if names or closed else None,
        closed=closed,
        additional=None if schema.get("patternProperties") else survey.child(schema.get("additionalProperties", True)),
        required=required,
        prefix=tuple(survey.child(item) for item in schema.get("prefixItems", ())),
        items=survey.child(schema.get("items", True)),
        groups=tuple(dict.fromkeys(_groups(survey, number, schema))),
    )


def _groups(survey: Survey, number: int, schema: Mapping[str, Any]) -> Iterable[tuple[int, ...]]:
    for found in (survey.targets.get(number), *map(survey.child, schema.get("allOf", ()))):
        if found is not None:
            yield (found,)
    for keyword in ("anyOf", "oneOf"):
        branches = dict.fromkeys(survey.child(item) for item in schema.get(keyword, ()))
        known = tuple(branch for branch in branches if branch is not None)
        if branches and len(known) == len(branches):
            yield known


def _types(schema: Mapping[str, Any]) -> tuple[int, bool]:
    if "type" not in schema:
        return _ANY, False
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kinds = 0
    for name in types:
        kinds |= _TYPES[name]
    return kinds, "integer" in types and "number" not in types


def _allowed(schema: Mapping[str, Any]) -> Iterable[list[Any]]:
    if "enum" in schema:
        yield schema["enum"]
    if "const" in schema:
        yield [schema["const"]]


def _literals(values: Iterable[Any]) -> tuple[int, set[str], set[Target] | None]:
    """Return the kinds of these values, their strings, and their numbers (None: any number is possible)."""
    kinds = 0
    texts: set[str] = set()
    numbers: list[int | float] = []
    for value in values:
        match value:
            case bool():
                kinds |= TRUE if value else FALSE
            case None:
                kinds |= NULL
            case str():
                kinds |= STRING
                texts.add(in_units(value))
            case int() | float():
                kinds |= NUMBER
                numbers.append(value)
            case dict():
                kinds |= OBJECT
            case _:
                kinds |= ARRAY
    return kinds, texts, _targets(numbers)


def _targets(numbers: list[int | float]) -> set[Target] | None:
    if len(numbers) > MAX_NUMBERS:
        return None
    try:
        return set(map(target, numbers))
    except ValueError:
        return None
