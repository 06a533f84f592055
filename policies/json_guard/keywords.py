"""JSON Schema's keywords (2020-12): the valid values of each, and the places of subschemas.

The library that validates whole answers trusts its schema, and its own check of a schema takes milliseconds. A
request's schema is therefore checked with this table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")

SINGLE = (
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)
"""Keywords whose value is a schema."""

LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")

SIZED = (*LISTS, *NAMED, "dependentRequired", "required", "type")
"""Keywords, besides `enum`, whose check examines many members or items."""


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and float(value).is_integer()


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_type(value: Any) -> bool:
    return value in TYPES if isinstance(value, str) else _are_names(value) and all(name in TYPES for name in value)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(SINGLE, (_is_schema, "a schema (an object, true or false)")),
    **dict.fromkeys(
        LISTS,
        (
            lambda value: isinstance(value, list) and bool(value) and all(map(_is_schema, value)),
            "a list of schemas with at least one",
        ),
    ),
    **dict.fromkeys(
        NAMED,
        (
            lambda value: isinstance(value, dict) and all(map(_is_schema, value.values())),
            "an object whose values are schemas",
        ),
    ),
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), (_is_number, "a number")),
    **dict.fromkeys(
        (
            "maxContains",
            "maxItems",
            "maxLength",
            "maxProperties",
            "minContains",
            "minItems",
            "minLength",
            "minProperties",
        ),
        (_is_count, "a whole number from 0"),
    ),
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "type": (_is_type, "a name, or a list of names, of " + ", ".join(TYPES)),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list with at least one value"),
    "required": (_are_names, "a list of names"),
    "dependentRequired": (
        lambda value: isinstance(value, dict) and all(map(_are_names, value.values())),
        "an object whose values are lists of names",
    ),
    "uniqueItems": (lambda value: isinstance(value, bool), "true or false"),
    "pattern": (lambda value: isinstance(value, str), "a regular expression"),
    "$ref": (
        lambda value: isinstance(value, str) and (value == "#" or value.startswith("#/")),
        "a reference within this schema, such as #/$defs/name: put what it means under $defs",
    ),
    **dict.fromkeys(
        ("$dynamicRef", "$recursiveRef"), (lambda value: False, "left out: write a $ref to #/$defs/name instead")
    ),
}


def fault(schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first keyword of a schema with an invalid value and the requirement for it, or None."""
    for keyword, value in schema.items():
        check = _CHECKS.get(keyword)
        if check is not None and not check[0](value):
            return keyword, check[1]
    return None


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, str | int | None, Any]]:
    """Yield the direct subschemas of a well-formed schema, each with its keyword and its name or number there."""
    for keyword, value in schema.items():
        if keyword in SINGLE:
            yield keyword, None, value
        elif keyword in LISTS:
            yield from ((keyword, at, item) for at, item in enumerate(value))
        elif keyword in NAMED:
            yield from ((keyword, name, item) for name, item in value.items())


def width(schema: Mapping[str, Any], sized: Iterable[str]) -> int:
    """Count the members and items of these keywords' values, well-formed or not."""
    found = 0
    for keyword in sized:
        value = schema.get(keyword)
        if isinstance(value, list | dict):
            found += len(value)
            if keyword == "dependentRequired" and isinstance(value, dict):
                found += sum(len(names) for names in value.values() if isinstance(names, list))
    return found


def texts(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names and strings that a well-formed schema compares with an answer."""
    for keyword in ("properties", "dependentSchemas", "required", "patternProperties"):
        yield from schema.get(keyword, ())
    for name, needed in schema.get("dependentRequired", {}).items():
        yield name
        yield from needed
    for value in (*schema.get("enum", ()), schema.get("const"), schema.get("pattern")):
        if isinstance(value, str):
            yield value


CHECKED = frozenset(_CHECKS)
"""The keywords that have a check."""
