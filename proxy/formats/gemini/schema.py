"""The schema of a function's parameters, in the terms of Gemini's `parameters`.

Gemini takes such a schema in two forms. `parameters` is a subset of OpenAPI's schema, `parametersJsonSchema` is JSON
Schema as it is. What the first can say exactly goes up so, since all models know it. Any other schema goes up whole in
the second. Nothing of a schema is left out in silence.

Rewritten without loss:

- `const` and untyped `enum` of strings become a typed `enum`.
- `type` with "null" and a null branch of `anyOf` become `nullable`.
- `allOf` is merged, and a missing `type` follows from the other members.
- Exclusive bounds of integers become inclusive.

Members that constrain nothing (`$schema`, `$id`, `$comment`, `deprecated`, `readOnly`, `writeOnly`) are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

_SAYS_NOTHING: Final = frozenset({"$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly"})
_ANNOTATIONS: Final = frozenset({"title", "description", "default", "example", "nullable"})
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "minProperties", "maxProperties", "propertyOrdering"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"enum", "format", "pattern", "minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum", "format"}),
    "number": frozenset({"minimum", "maximum", "format"}),
    "boolean": frozenset(),
}
_FORMATS: Final = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})


class NotExact(Exception):
    """The schema says something that `parameters` cannot."""


def parameters(schema: Mapping[str, Any]) -> Schema:
    """The schema, with its references followed, as `parameters`. Raises `NotExact`."""
    made = _converted(schema, root=True)
    if made.get("type") != "object" or made.get("nullable"):
        raise NotExact
    return made


def _converted(schema: Any, *, root: bool = False) -> Schema:
    if not isinstance(schema, Mapping):
        raise NotExact
    rest = {name: value for name, value in schema.items() if name not in _SAYS_NOTHING}
    if "allOf" in rest:
        return _converted(_merged(rest), root=root)
    if "anyOf" in rest:
        return _alternatives(rest)
    if root:
        rest.setdefault("type", "object")
    _settle_constants(rest)
    _settle_type(rest)
    _settle_bounds(rest)
    kind = rest["type"]
    if kind not in _OF_TYPE or not rest.keys() <= _OF_TYPE[kind] | _ANNOTATIONS | {"type"}:
        raise NotExact
    if rest.get("format", "enum") not in _FORMATS:
        raise NotExact
    if kind == "object":
        _settle_properties(rest, root)
    elif kind == "array":
        rest["items"] = _converted(rest.get("items"))
    return rest


def _settle_constants(schema: Schema) -> None:
    """`const` and `enum` as an `enum` of strings."""
    values = schema.get("enum", [])
    if not isinstance(values, list):
        raise NotExact
    if "const" in schema:
        const = schema.pop("const")
        if "enum" in schema and const not in values:
            raise NotExact
        schema["enum"] = values = [const]
    if "enum" not in schema:
        return
    words = [value for value in values if value is not None]
    if not words or not all(isinstance(word, str) and word for word in words):
        raise NotExact
    types = schema.setdefault("type", "string" if len(words) == len(values) else ["string", "null"])
    nullable = isinstance(types, list) and "null" in types
    if nullable != (len(words) < len(values)):
        raise NotExact
    schema["enum"] = words


def _settle_type(schema: Schema) -> None:
    """One type, and `nullable`."""
    types = schema.get("type")
    if types is None:
        fitting = [
            kind for kind, members in _OF_TYPE.items() if kind in ("object", "array") and members & schema.keys()
        ]
        types = fitting[0] if len(fitting) == 1 else None
    if isinstance(types, list):
        others = [kind for kind in types if kind != "null"]
        if len(others) < len(types):
            schema["nullable"] = True
        types = others[0] if len(others) == 1 else None
    if not isinstance(types, str):
        raise NotExact
    schema["type"] = types


def _settle_bounds(schema: Schema) -> None:
    """Exclusive bounds of integers as inclusive ones."""
    for exclusive, inclusive, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        if exclusive in schema:
            bound = schema.pop(exclusive)
            if type(bound) is not int or schema["type"] != "integer" or inclusive in schema:
                raise NotExact
            schema[inclusive] = bound + step


def _settle_properties(schema: Schema, root: bool) -> None:
    properties = schema.get("properties") or {}
    if not isinstance(properties, Mapping) or not (properties or root):  # Gemini refuses inner objects without any
        raise NotExact
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(name in properties for name in required if isinstance(name, str)):
        raise NotExact
    if properties:
        schema["properties"] = {name: _converted(value) for name, value in properties.items()}
    else:
        schema.pop("properties", None)
    if not required:
        schema.pop("required", None)


def _alternatives(schema: Schema) -> Schema:
    """A schema with `anyOf`, and nothing else but annotations."""
    branches = schema.pop("anyOf")
    if not isinstance(branches, list) or not branches or not schema.keys() <= _ANNOTATIONS:
        raise NotExact
    others = [branch for branch in branches if not (isinstance(branch, Mapping) and branch.get("type") == "null")]
    if len(others) < len(branches):
        schema["nullable"] = True
    if not others:
        raise NotExact
    if len(others) == 1:
        return {**_converted(others[0]), **schema}
    return {**schema, "anyOf": [_converted(branch) for branch in others]}


def _merged(schema: Schema) -> Schema:
    """A schema and the branches of its `allOf` as one; what is said around them counts before what they say."""
    branches = schema.pop("allOf")
    if not isinstance(branches, list):
        raise NotExact
    made: Schema = {}
    for part in (*branches, schema):
        if not isinstance(part, Mapping):
            raise NotExact
        part = {name: value for name, value in part.items() if name not in _SAYS_NOTHING}
        for name, value in (_merged(part) if "allOf" in part else part).items():
            made[name] = value if name not in made else _both(name, made[name], value)
    return made


def _both(name: str, first: Any, second: Any) -> Any:
    """A member that two parts of a schema have."""
    if name in _ANNOTATIONS or first == second:
        return second
    if name == "properties" and isinstance(first, Mapping) and isinstance(second, Mapping):
        if any(first[each] != second[each] for each in first.keys() & second.keys()):
            raise NotExact
        return {**first, **second}
    if name == "required" and isinstance(first, Sequence) and isinstance(second, Sequence):
        return list(dict.fromkeys([*first, *second]))
    raise NotExact
