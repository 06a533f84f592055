"""The table of keywords agrees with the library's own check of a schema."""

from typing import Any

import jsonschema
import pytest

from policies.json_guard import keywords

WRONG: list[dict[str, Any]] = [
    {"type": "text"},
    {"type": ["string", 1]},
    {"type": 1},
    {"enum": "a"},
    {"required": "a"},
    {"required": [1]},
    {"properties": []},
    {"properties": {"a": 1}},
    {"items": [{}]},
    {"items": 1},
    {"additionalProperties": "no"},
    {"anyOf": []},
    {"anyOf": {}},
    {"allOf": [1]},
    {"not": None},
    {"minimum": "1"},
    {"maximum": True},
    {"exclusiveMinimum": True},
    {"minLength": -1},
    {"maxItems": 1.5},
    {"multipleOf": 0},
    {"uniqueItems": 1},
    {"pattern": 1},
    {"dependentRequired": {"a": "b"}},
    {"$defs": {"a": []}},
    {"$ref": 1},
]
RIGHT: list[dict[str, Any]] = [
    {},
    {"type": [][:0] or ["string"]},
    {"type": ["string", "null"], "minLength": 2.0, "pattern": "a"},
    {"enum": [None], "const": {"$ref": 1}, "title": 5, "default": [], "examples": []},
    {"$ref": "#/a", "$comment": "x", "x-mine": {"type": 1}},
    {"properties": {"type": {"type": "string"}}, "required": [], "additionalProperties": False},
    {"minimum": -1.5, "multipleOf": 0.01, "uniqueItems": False, "dependentRequired": {"a": ["b"]}},
]


@pytest.mark.parametrize("schema", WRONG)
def test_a_wrong_value_is_told(schema: dict[str, Any]) -> None:
    found = keywords.fault(schema)
    assert found is not None and found[0] == next(iter(schema))
    with pytest.raises(jsonschema.SchemaError):
        jsonschema.Draft202012Validator.check_schema({k: v for k, v in schema.items() if k != "title"})


@pytest.mark.parametrize("schema", RIGHT)
def test_a_right_value_and_what_is_unknown_are_let_be(schema: dict[str, Any]) -> None:
    assert keywords.fault(schema) is None


def test_every_keyword_of_the_library_is_checked_or_needs_no_check() -> None:
    free = {"const", "format"}
    assert set(jsonschema.Draft202012Validator.VALIDATORS) - free <= keywords.CHECKED


def test_subschemas_come_with_their_places() -> None:
    schema = {"items": {"a": 1}, "anyOf": [True], "properties": {"x": {}}, "enum": [{}], "x": {}}
    assert list(keywords.subschemas(schema)) == [
        ("items", None, {"a": 1}),
        ("anyOf", 0, True),
        ("properties", "x", {}),
    ]
