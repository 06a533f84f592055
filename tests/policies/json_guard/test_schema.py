"""Invalid schemas are rejected with the right words."""

import json
import re
import tracemalloc
from typing import Any

import pytest

from policies.json_guard.pace import Pace
from policies.json_guard.schema import compiled
from policies.json_guard.survey import (
    MAX_KEYWORDS,
    MAX_LITERALS,
    MAX_NAMES,
    MAX_REFERENCE,
    MAX_SCHEMAS,
    MAX_TEXT,
    SchemaError,
    Survey,
)
from policies.steps import finished
from policies.work import OverBudget, Work
from tests.policies.json_guard.judging import compile_schema, fault, first_bad, whole


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
        ({"anyOf": [{"const": n} for n in range(MAX_SCHEMAS)]}, f"more than {MAX_SCHEMAS} schemas"),
        ({"enum": list(range(MAX_LITERALS + 1))}, f"more than {MAX_LITERALS} values"),
        ({"required": [""] * (MAX_NAMES + 1)}, f"more than {MAX_NAMES} names and schemas"),
        ({"anyOf": [False] * (MAX_NAMES + 1)}, f"more than {MAX_NAMES} names and schemas"),
        ({"properties": {str(n): True for n in range(MAX_NAMES + 1)}}, f"more than {MAX_NAMES} names and schemas"),
        ({"dependentRequired": {"a": ["b"] * MAX_NAMES}}, f"more than {MAX_NAMES} names and schemas"),
        ({"type": ["null"] * (MAX_NAMES + 1)}, f"more than {MAX_NAMES} names and schemas"),
        ({"allOf": [{"required": ["a"] * 1000} for _ in range(21)]}, f"more than {MAX_NAMES} names and schemas"),
        ({"properties": {"n" * (MAX_TEXT + 1): {}}}, f"more than {MAX_TEXT} characters"),
        ({"items": {"const": "n" * (MAX_TEXT + 1)}}, f"more than {MAX_TEXT} characters"),
        ({"items": {f"x{n}": 1 for n in range(MAX_KEYWORDS + 1)}}, f"items has more than {MAX_KEYWORDS} keywords"),
        ({"$ref": f"#/{'a' * MAX_REFERENCE}"}, f"$ref has more than {MAX_REFERENCE} characters"),
        ({"$ref": f"#/anyOf/{'1' * 1990}", "anyOf": [{}]}, "$ref refers to nothing"),
        ({"items": {"minItems": float("inf")}}, "items/minItems must be a whole number"),
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
    survey = Survey(schema, Pace(Work()))
    finished(survey.steps())
    assert survey.patterns.keys() == {"x+", "^y"}


def test_a_place_in_a_message_is_short_whatever_the_names() -> None:
    schema: Any = {"type": 1}
    for _ in range(50):
        schema = {"properties": {"long" * 1000: schema}}
    with pytest.raises(SchemaError) as refused:
        compile_schema(schema)
    message = str(refused.value)
    assert message.startswith("properties/longlong") and "/type must be a name" in message and len(message) < 250


def test_a_long_name_is_not_copied_for_each_schema_below_it() -> None:
    schema = {"properties": {"n" * 100_000: {"anyOf": [{"const": n} for n in range(4000)]}}}
    tracemalloc.start()
    try:
        compile_schema(schema)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20_000_000


def test_the_budget_is_spent_and_the_place_where_it_ends_is_named() -> None:
    schema = {"properties": {name: {"enum": list(range(1000))} for name in "abcdefgh"}}
    work = Work(5000)
    with pytest.raises(OverBudget) as over:
        finished(compiled(schema, Pace(work, "response_format.json_schema.schema"), whole=False))
    assert re.fullmatch(r"response_format\.json_schema\.schema/properties/[b-g]", over.value.place)
    assert 0 <= work.left < 1100


def test_a_schema_is_compiled_in_steps() -> None:
    schema = {"anyOf": [{"required": [f"n{n}"]} for n in range(4000)]}
    assert sum(1 for _ in compiled(schema, Pace(Work()), whole=False)) > 50


def large(levels: int, members: int) -> dict[str, Any]:
    """Make a schema as an application has it: nested records with lists, choices, dates and descriptions."""
    properties: dict[str, Any] = {
        "kind": {"enum": ["person", "company", "place"], "description": "What this is about."},
        "created": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "score": {"type": ["number", "null"], "minimum": 0, "maximum": 1, "multipleOf": 0.01},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 40}, "uniqueItems": True},
        **{f"field_{n}": {"type": "string", "description": f"The text of field number {n}."} for n in range(members)},
    }
    if levels > 1:
        properties["parts"] = {"type": "array", "items": large(levels - 1, members)}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def record(levels: int, members: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": "place", "created": "2024-01-31", "score": 0.35, "tags": ["a", "b"]}
    fields |= {f"field_{n}": "text" for n in range(members)}
    return fields | ({"parts": [record(levels - 1, members)] * 2} if levels > 1 else {})


def test_a_large_schema_of_an_application_is_followed_and_costs_little() -> None:
    schema, answer = large(5, 95), json.dumps(record(5, 95))
    size = len(json.dumps(schema))
    assert size > 40_000
    work = Work.of_body(size)
    finished(compiled(schema, Pace(work), whole=True))
    assert Work.of_body(size).left - work.left < size / 2  # a sixteenth of what the body brings: many attempts fit
    assert first_bad([answer], schema) is None and whole(answer, schema)
    assert fault(schema, answer) is None
    assert fault(schema, answer.replace("0.35", "0.355")) == (
        "the answer breaks the schema at properties/score/multipleOf"
    )
