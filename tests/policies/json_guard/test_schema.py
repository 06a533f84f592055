"""What schemas are refused, and with which words."""

import re
from typing import Any

import pytest

from policies.json_guard.schema import MOST_LITERALS, MOST_SCHEMAS, SchemaError, compile_schema


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("text", "the schema must be an object"),
        (None, "the schema must be an object"),
        ({"$ref": "https://example.com/s.json"}, "$ref must be a reference within this schema"),
        ({"$ref": "other.json#/a"}, "$ref must be a reference within this schema"),
        ({"$ref": "#name"}, "$ref must be a reference within this schema"),
        ({"$ref": "#/$defs/a"}, "$ref refers to nothing: define it under $defs"),
        ({"$ref": "#/type", "type": "string"}, "$ref must refer to a schema"),
        ({"$ref": "#/anyOf/7", "anyOf": [{}]}, "$ref refers to nothing"),
        ({"properties": {"a": {"items": {"$ref": "#/no"}}}}, "properties/a/items/$ref refers to nothing"),
        ({"$dynamicRef": "#x"}, "$dynamicRef must be left out"),
        ({"properties": {"a": {"$id": "x"}}}, "properties/a/$id must be left out"),
        ({"properties": {"a": {"$schema": "x"}}}, "properties/a/$schema must be left out"),
        ({"$defs": {"a": {"items": [{}]}}}, "$defs/a/items must be a schema"),
        ({"anyOf": [{"type": "string"}, {"type": "text"}]}, "anyOf/1/type must be a name"),
        ({"$ref": "#/x-mine", "x-mine": {"type": 1}}, "x-mine/type must be a name"),
        ({"items": {"$ref": "#/x-mine"}, "x-mine": {"enum": []}}, "x-mine/enum must be a list"),
        ({"anyOf": [{"const": n} for n in range(MOST_SCHEMAS)]}, f"more than {MOST_SCHEMAS} schemas"),
        ({"enum": list(range(MOST_LITERALS + 1))}, f"more than {MOST_LITERALS} values"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_its_place(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)):
        compile_schema(schema)


def test_names_that_look_like_keywords_are_names() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "$id": True, "enum": {}}, "$id": "https://example.com/s"}
    assert compile_schema(schema).root == 0


def test_a_recursive_schema_is_compiled_once() -> None:
    schema = {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}, "type": "array"}}, "$ref": "#/$defs/a"}
    assert len(compile_schema(schema).nodes) == 3  # the whole, the definition, the reference in it


def test_deep_schemas_are_compiled_without_recursion() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(900):
        schema = {"items": schema}
    assert len(compile_schema(schema).nodes) == 901


def test_patterns_are_collected() -> None:
    schema = {"properties": {"a": {"pattern": "x+"}}, "patternProperties": {"^y": {}}}
    assert compile_schema(schema).patterns == {"x+", "^y"}
