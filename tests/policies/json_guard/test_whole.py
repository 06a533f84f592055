"""Whole answers are checked as by the library, within a budget. Messages do not quote the answer."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from policies.json_guard.survey import SchemaError
from tests.policies.json_guard.judging import fault, whole_of


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (None, "[1", "the answer is not JSON"),
        (None, "NaN", "the answer is not JSON"),
        (None, "1e999", "the answer is not JSON"),
        (None, "1" * 5000, "the answer is not JSON"),
        (None, "1" * 250, None),
        (None, '{"a": 1}', None),
        (True, "1", None),
        (False, "1", "the answer breaks the schema at its root"),
        ({"type": "string", "minLength": 2}, '"a"', "the answer breaks the schema at minLength"),
        ({"properties": {"a": {"maximum": 3}}}, '{"a": 4}', "the answer breaks the schema at properties/a/maximum"),
        ({"additionalProperties": False}, '{"secret": 4}', "the answer breaks the schema at additionalProperties"),
        ({"unevaluatedProperties": False}, '{"secret": 4}', "the answer breaks the schema at unevaluatedProperties"),
        (
            {"patternProperties": {"^s": {"type": "null"}}},
            '{"secret": 4}',
            "the answer breaks the schema at patternProperties",
        ),
        ({"patternProperties": {"^s": True}, "additionalProperties": False}, '{"secret": 4}', None),
        ({"patternProperties": {"^s": True}, "unevaluatedProperties": False}, '{"secret": 4}', None),
        (
            {"patternProperties": {"^s": True}, "unevaluatedProperties": False},
            '{"other": 4}',
            "the answer breaks the schema at unevaluatedProperties",
        ),
        ({"multipleOf": 0.01}, "4.35", None),
        ({"multipleOf": 0.01}, "4.355", "the answer breaks the schema at multipleOf"),
        ({"multipleOf": 1e-300}, "1" * 299, None),
        ({"multipleOf": 10**300}, "1.5", "the answer breaks the schema at multipleOf"),
        ({"oneOf": [{"type": "string"}, {"const": "a"}]}, '"a"', "the answer breaks the schema at oneOf"),
        ({"pattern": "^b"}, '"a"', "the answer breaks the schema at pattern"),
        ({"enum": [1, [True], {"a": 2}]}, "[true]", None),
        ({"enum": [1, [True], {"a": 2}]}, '{"a": 2.0}', None),
        ({"enum": [1, [True], {"a": 2}]}, "true", "the answer breaks the schema at enum"),
        ({"const": [0]}, "[false]", "the answer breaks the schema at const"),
        ({"uniqueItems": True}, '[1, true, "1", [1], [true]]', None),
        (
            {"uniqueItems": True},
            '[{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]',
            "the answer breaks the schema at uniqueItems",
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "$id": "x:y",
                "$ref": "#/$defs/a",
                "$defs": {"a": {"const": 1}},
            },
            "2",
            "the answer breaks the schema at const",
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "properties": {"a": {"$ref": "#"}},
                "exclusiveMaximum": 3,
            },
            '{"a": 4}',
            "the answer breaks the schema at properties/a/exclusiveMaximum",
        ),
        ({"$ref": "#"}, "1", "the schema and the answer nest too deep to check"),
        ({"items": {"$ref": "#"}, "type": "array"}, "[" * 120 + "]" * 120, None),
    ],
)
def test_an_answer_is_judged(schema: Any, text: str, expected: str | None) -> None:
    assert fault(schema, text) == expected


values = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 1.5, "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


@given(st.lists(values, min_size=1, max_size=3), values)
@settings(max_examples=200, deadline=None)
def test_values_are_equal_as_for_the_library(enum: list[Any], value: Any) -> None:
    for schema in ({"enum": enum}, {"const": enum[0]}, {"uniqueItems": True, "minItems": 0}):
        assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)


# ---- against the library
_NAMES = st.sampled_from(["a", "b", "ab"])
_COUNTS = st.integers(0, 3)

_LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(
                ["object", "array", "string", "number", "integer", "boolean", "null", ["array", "null"]]
            ),
            "enum": st.lists(values, min_size=1, max_size=3),
            "const": values,
            "minimum": st.sampled_from([0, 1, 1.5]),
            "exclusiveMaximum": st.sampled_from([1, 1.5]),
            "multipleOf": st.sampled_from([1, 1.5, 2]),
            "minLength": _COUNTS,
            "maxLength": _COUNTS,
            "minItems": _COUNTS,
            "maxItems": _COUNTS,
            "minProperties": _COUNTS,
            "maxProperties": _COUNTS,
            "uniqueItems": st.booleans(),
            "required": st.lists(_NAMES, max_size=2),
            "dependentRequired": st.dictionaries(_NAMES, st.lists(_NAMES, max_size=2), max_size=2),
            "pattern": st.sampled_from(["a", "^b", "b$"]),
        },
    ),
    st.sampled_from([{"$ref": "#/$defs/d"}, {"$ref": "#/$defs/d", "minItems": 1}]),
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(_NAMES, inner, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "allOf": several,
            "anyOf": several,
            "oneOf": several,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "dependentSchemas": named,
            "prefixItems": several,
            "items": inner,
            "contains": inner,
            "minContains": _COUNTS,
            "maxContains": _COUNTS,
        },
    )


_SCHEMAS = st.recursive(_LEAVES, _larger, max_leaves=6)
_DEFINITIONS = st.sampled_from([{"type": "integer"}, {"items": {"$ref": "#/$defs/d"}, "type": ["array", "integer"]}])


@given(_SCHEMAS, _DEFINITIONS, values)
@settings(max_examples=400)
def test_an_answer_is_judged_as_by_the_library(schema: Any, definition: Any, value: Any) -> None:
    schema = {"allOf": [schema], "$defs": {"d": definition}}
    assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [  # from the specification: what counts as evaluated
        ({"properties": {"a": True}, "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
        ({"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False}, {"a": 1}, {"a": 1, "b": 1}),
        (
            {"$ref": "#/$defs/d", "$defs": {"d": {"properties": {"a": True}}}, "unevaluatedProperties": False},
            {"a": 1},
            {"b": 1},
        ),
        (
            {
                "anyOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": True}}],
                "unevaluatedProperties": False,
            },
            {"a": 1, "b": 2},
            {"a": 2, "b": 2},
        ),
        (
            {
                "oneOf": [
                    {"properties": {"a": True}, "required": ["a"]},
                    {"properties": {"b": True}, "required": ["b"]},
                ],
                "unevaluatedProperties": False,
            },
            {"a": 1},
            {"a": 1, "c": 1},
        ),
        ({"not": {"not": {"properties": {"a": True}}}, "unevaluatedProperties": False}, {}, {"a": 1}),
        (
            {
                "if": {"properties": {"a": {"const": 1}}},
                "else": {"properties": {"b": True}},
                "unevaluatedProperties": False,
            },
            {"a": 1},
            {"a": 2},
        ),
        ({"dependentSchemas": {"a": {"properties": {"a": True}}}, "unevaluatedProperties": False}, {"a": 1}, {"b": 1}),
        ({"additionalProperties": {"type": "null"}, "unevaluatedProperties": False}, {"a": None}, {"a": 1}),
        (
            {"allOf": [{"unevaluatedProperties": {"type": "null"}}], "unevaluatedProperties": False},
            {"a": None},
            {"a": 1},
        ),
        ({"properties": {"a": True}, "allOf": [{"unevaluatedProperties": False}]}, {}, {"a": 1}),
        ({"properties": {"a": True}, "unevaluatedProperties": {"type": "null"}}, {"a": 1, "b": None}, {"b": 1}),
        ({"prefixItems": [True], "unevaluatedItems": False}, [1], [1, 2]),
        ({"allOf": [{"items": {"type": "null"}}], "unevaluatedItems": False}, [None], [1]),
        ({"contains": {"const": 1}, "unevaluatedItems": {"type": "null"}}, [None, 1], [2, 1]),
        ({"anyOf": [{"prefixItems": [True, {"const": 2}]}, True], "unevaluatedItems": False}, [1, 2], [1, 3]),
    ],
)
def test_what_no_keyword_has_evaluated_is_judged(schema: Any, good: Any, bad: Any) -> None:
    assert fault(schema, json.dumps(good)) is None
    assert fault(schema, json.dumps(bad)) is not None


FORKS: Any = {
    "$defs": {
        "a": {
            "type": "array",
            "anyOf": [{"items": {"$ref": "#/$defs/a"}, "maxItems": 1}, {"items": {"$ref": "#/$defs/a"}, "maxItems": 2}],
        }
    },
    "$ref": "#/$defs/a",
}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (FORKS, "[" * 40 + "1" + "]" * 40),
        ({"pattern": "(a|aa|aaa){0,600}b"}, '"' + "a" * 20_000 + '"'),
        ({"items": {"anyOf": [{"const": n} for n in range(1000)]}}, "[" + "-1," * 5000 + "-1]"),
    ],
)
def test_what_takes_too_long_is_rejected_in_bounded_time(schema: Any, text: str) -> None:
    start = time.process_time()
    found = fault(schema, text)
    assert time.process_time() - start < 8
    assert found in (
        "the answer takes too long to check against the schema",
        "the answer breaks the schema at items/anyOf",
    )


def test_a_thousand_equal_looking_items_are_cheap() -> None:
    text = "[" + ",".join(f"[{n}]" for n in range(20_000)) + "]"
    assert fault({"uniqueItems": True}, text) is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"pattern": "(?=a)"}, r"the pattern '\(\?=a\)' uses look-around.*: write it another way, or leave it out"),
        ({"patternProperties": {"(": {}}}, "cannot be read"),
        (
            {"anyOf": [{"pattern": f"a{{{n}}}"} for n in range(4000, 4010)]},
            "more than 20000 states: leave some of them out",
        ),
        ({"const": [[n] for n in range(20_000)]}, "more than 20000 values: send a smaller one"),
        ({"enum": [{"a": list(range(10_000))}, {"b": list(range(10_000, 20_001))}]}, "more than 20000 values"),
    ],
)
def test_a_schema_that_cannot_be_checked_whole_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        whole_of(schema)
