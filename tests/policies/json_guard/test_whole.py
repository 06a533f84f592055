"""Whole answers against whole schemas: what the library says, within a budget, without the answer's words."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from policies.json_guard.schema import SchemaError, compile_schema
from policies.json_guard.whole import Whole


def fault(schema: Any, text: str) -> str | None:
    return Whole(None if schema is None else compile_schema(schema)).fault(text)


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
    import json

    for schema in ({"enum": enum}, {"const": enum[0]}, {"uniqueItems": True, "minItems": 0}):
        assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)


FORKS: Any = {
    "$defs": {
        "a": {
            "anyOf": [{"items": {"$ref": "#/$defs/a"}, "minItems": 1}, {"items": {"$ref": "#/$defs/a"}, "minItems": 2}]
        }
    },
    "$ref": "#/$defs/a",
}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (FORKS, "[" * 40 + "]" * 40),
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
        (
            {"patternProperties": {"a": {}}, "unevaluatedProperties": False},
            "cannot both be used: leave one of them out",
        ),
    ],
)
def test_a_schema_that_cannot_be_checked_whole_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Whole(compile_schema(schema))
