"""Schemas of functions as Gemini's `parameters`: exactly, or not at all."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.formats.gemini.schema import NotExact, parameters


def of(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


EXACT: dict[str, tuple[Any, Any]] = {
    "const": ({"const": "x"}, {"type": "string", "enum": ["x"]}),
    "untyped enum": ({"enum": ["x", "y"]}, {"type": "string", "enum": ["x", "y"]}),
    "enum with null": ({"enum": ["x", None]}, {"type": "string", "enum": ["x"], "nullable": True}),
    "null among types": ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
    "a null branch": (
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "A"},
        {"type": "integer", "nullable": True, "title": "A"},
    ),
    "branches": (
        {"anyOf": [{"type": "integer"}, {"const": "x"}], "description": "d"},
        {"anyOf": [{"type": "integer"}, {"type": "string", "enum": ["x"]}], "description": "d"},
    ),
    "allOf of one": (
        {"allOf": [of({"type": "string"})], "description": "D"},
        {**of({"type": "string"}), "description": "D"},
    ),
    "allOf of two": (
        {
            "allOf": [
                {**of({"type": "string"}), "required": ["a"]},
                {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
            ]
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    ),
    "an object without its type": (
        {"properties": {"x": {"type": "string"}}},
        {**of(0), "properties": {"x": {"type": "string"}}},
    ),
    "an array without its type": ({"items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}}),
    "exclusive bounds of integers": (
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 9},
        {"type": "integer", "minimum": 4, "maximum": 8},
    ),
    "what says nothing": ({"type": "string", "$comment": "c", "readOnly": True}, {"type": "string"}),
    "what it has too": (
        {"type": "string", "pattern": "a+", "maxLength": 3, "format": "date-time", "default": "a"},
        {"type": "string", "pattern": "a+", "maxLength": 3, "format": "date-time", "default": "a"},
    ),
}


@pytest.mark.parametrize(("given", "made"), EXACT.values(), ids=EXACT.keys())
def test_what_can_be_said_exactly_is(given: Any, made: Any) -> None:
    assert parameters(of(given)) == of(made)


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}, "required": []}])
def test_a_function_without_parameters(schema: dict[str, Any]) -> None:
    assert parameters(schema) == {"type": "object"}


INEXACT: list[Any] = [
    True,
    {},
    {"const": 1},
    {"enum": [1, 2]},
    {"enum": []},
    {"enum": "x"},
    {"const": "x", "enum": ["y"]},
    {"type": ["string", "integer"]},
    {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    {"anyOf": [{"type": "string"}], "type": "string"},
    {"anyOf": []},
    {"allOf": [{"type": "string"}, {"type": "integer"}]},
    {"not": {"type": "string"}},
    {"type": "string", "format": "email"},
    {"type": "number", "exclusiveMinimum": 0.5},
    {"type": "integer", "multipleOf": 2},
    {"type": "array"},
    {"type": "array", "items": {"type": "string"}, "prefixItems": [{"type": "string"}]},
    {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    {"type": "object"},
    {**of({"type": "string"}), "additionalProperties": False},
    {**of({"type": "string"}), "required": ["b"]},
    {"type": "nothing"},
    {"$ref": "#"},
    {"type": "string", "x-own": 1},
]


@pytest.mark.parametrize("schema", INEXACT, ids=str)
def test_what_cannot_be_said_exactly_is_not_tried(schema: Any) -> None:
    with pytest.raises(NotExact):
        parameters(of(schema))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "enum", "const", "anyOf", "allOf", "properties", "items", "required", "minimum", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "allOf", "enum", "required"]), JSON, max_size=4))
def test_no_schema_does_anything_else(schema: dict[str, Any]) -> None:
    with contextlib.suppress(NotExact):
        assert parameters(schema)["type"] == "object"
