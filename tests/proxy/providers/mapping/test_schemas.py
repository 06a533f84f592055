"""Schemas made ready for LiteLLM: the same as it makes of them itself, and never more than the bounds."""

import copy
import importlib
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.work import BASE_STEPS, OverBudget, Work
from proxy.errors import InvalidRequest
from proxy.providers import litellm
from proxy.providers.mapping import schemas
from proxy.providers.mapping.schemas import MAX_BYTES, MAX_VALUES, Schemas

PLENTY = 10**9
STRING = {"type": "string"}


def inlined(schema: Any, **more: Any) -> Any:
    return Schemas(Work(PLENTY)).inlined(schema, "here", **more)


def doubling(depth: int) -> dict[str, Any]:
    """Definitions, each with two references to the next."""
    two = [{"a": {"$ref": f"#/$defs/d{i + 1}"}, "b": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(depth)]
    chain = {f"d{i}": {"type": "object", "properties": each} for i, each in enumerate(two)}
    return {"$ref": "#/$defs/d0", "$defs": {**chain, f"d{depth}": STRING}}


def circle(size: int) -> dict[str, Any]:
    """Definitions that all refer to all."""
    each = {"type": "object", "properties": {f"p{i}": {"$ref": f"#/$defs/d{i}"} for i in range(size)}}
    return {"$ref": "#/$defs/d0", "$defs": {f"d{i}": each for i in range(size)}}


def typed(depth: int) -> dict[str, Any]:
    """Schemas of two types, one in the other."""
    schema: dict[str, Any] = STRING
    for _ in range(depth):
        schema = {"type": ["object", "array"], "properties": {"p": schema}}
    return schema


def told(size: int) -> dict[str, Any]:
    """A description of many branches."""
    return {"description": "x" * size, "anyOf": [STRING] * size}


# ---- what is inlined
def test_a_definition_takes_the_place_of_each_reference_and_all_are_copies() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/s"}, "b": {"items": {"$ref": "#/definitions/s"}}},
        "$defs": {"s": STRING},
    }
    before = copy.deepcopy(schema)
    made = inlined(schema)
    assert made == {"type": "object", "properties": {"a": STRING, "b": {"items": STRING}}}
    assert made["properties"]["a"] is not made["properties"]["b"]["items"] and schema == before


def test_inner_definitions_come_before_outer_ones() -> None:
    inner = {"properties": {"p": {"$ref": "#/$defs/x"}, "q": {"$ref": "#/$defs/y"}}, "$defs": {"x": STRING}}
    schema = {"items": inner, "$defs": {"x": {"type": "null"}, "y": {"type": "integer"}}}
    assert inlined(schema) == {"items": {"properties": {"p": STRING, "q": {"type": "integer"}}}}
    assert inlined({"$ref": "#/components/schemas/x"}, further={"x": STRING}) == STRING


def test_names_of_properties_and_data_are_no_references() -> None:
    named = {"$ref": STRING, "$defs": STRING, "definitions": STRING}
    schema = {"properties": named, "enum": [{"$ref": "#/$defs/x"}], "$defs": {"x": STRING}}
    assert inlined(schema) == {"properties": named, "enum": [{"$ref": "#/$defs/x"}]}


def test_a_reference_to_nothing_or_to_itself_stays() -> None:
    tree = {"type": "object", "properties": {"child": {"$ref": "#/$defs/tree"}}}
    counted = Schemas(Work())
    made = counted.inlined({"$ref": "#/$defs/tree", "$defs": {"tree": tree}}, "here")
    assert made == tree and counted.recursive
    lost = {"$ref": "#/$defs/x", "$defs": {"y": STRING}}
    assert counted.inlined(lost, "here") == {"$ref": "#/$defs/x"} and not counted.recursive


NAMES = st.sampled_from("abc")
LEAVES = st.sampled_from(
    [STRING, {}, {"type": "null"}, {"type": "integer", "minimum": 1}, {"type": "string", "enum": ["x", "", "y"]}]
) | st.sampled_from("abcd").map(lambda name: {"$ref": f"#/$defs/{name}"})


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(NAMES, inner, max_size=3)
    types = st.lists(st.sampled_from(["object", "array", "string", "null"]), unique=True, max_size=3)
    return st.one_of(
        st.builds(lambda p, r: {"type": "object", "properties": p, "required": r}, properties, st.lists(NAMES)),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.builds(
            lambda branches, more: {"anyOf": branches, **more},
            st.lists(inner, min_size=1, max_size=3),
            st.sampled_from([{}, {"description": "what it is"}, {"title": "t"}]),
        ),
        st.builds(lambda t, p: {"type": t, "properties": p, "items": STRING}, types, properties),
    )


SCHEMAS = st.recursive(LEAVES, _around, max_leaves=8)
ROOTS = st.builds(lambda schema, defs: {**schema, "$defs": defs}, SCHEMAS, st.dictionaries(NAMES, SCHEMAS, max_size=3))


def _values(value: Any) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_values, below))


@given(ROOTS)
def test_litellm_makes_the_same_of_it_for_gemini_and_no_more_than_was_counted(schema: Any) -> None:
    litellm.load()
    build = importlib.import_module("litellm.llms.vertex_ai.common_utils").build_vertex_schema
    text = json.dumps(schema)
    assume(text.count('{"type": "null"}') < 2)  # of several branches for null it leaves some
    try:
        expected = build(json.loads(text))
    except Exception:
        return
    counted = Schemas(Work(PLENTY))
    made = build(counted.for_gemini(json.loads(text), "here"))
    assert made == expected
    assert _values(made) <= 3 * (MAX_VALUES - counted.values) + 8  # it adds types and what is nullable


# ---- the bounds
@pytest.mark.parametrize("schema", [doubling(20), doubling(60), circle(12)], ids=["20", "60", "circle"])
def test_references_that_multiply_are_refused_before_they_are_followed(schema: Any) -> None:
    work = Work()
    with pytest.raises(OverBudget) as refused:
        Schemas(work).inlined(schema, "tools[3].function.parameters")
    assert refused.value.place == "tools[3].function.parameters"
    assert work.left >= 0


@pytest.mark.parametrize("schema", [doubling(20), typed(25), told(20_000)], ids=["references", "types", "told"])
def test_what_litellm_multiplies_is_refused_before_it_sees_it(schema: Any) -> None:
    with pytest.raises(OverBudget):
        Schemas(Work(PLENTY)).for_gemini(schema, "here")


def test_all_schemas_of_a_request_have_one_bound() -> None:
    counted = Schemas(Work(PLENTY))
    with pytest.raises(OverBudget):
        for _ in range(100):
            counted.inlined(doubling(10), "here")
    assert Schemas(Work()).values == MAX_VALUES and MAX_VALUES * schemas.STEPS > BASE_STEPS


def test_text_is_bounded_like_values() -> None:
    long = {"type": "string", "description": "x" * (MAX_BYTES // 100)}
    schema = {"items": [{"$ref": "#/$defs/long"}] * 101, "$defs": {"long": long}}
    with pytest.raises(OverBudget):
        Schemas(Work(PLENTY)).inlined(schema, "here")


def test_nesting_by_references_is_bounded() -> None:
    links = {f"d{i}": {"items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(300)}
    with pytest.raises(InvalidRequest) as refused:
        inlined({"$ref": "#/$defs/d0", "$defs": links})
    assert refused.value.param == "here" and "nested deeper" in refused.value.message


def test_equal_types_and_branches_for_null_are_one() -> None:
    schema = {"anyOf": [{"type": ["object"] * 50}, {"type": "null"}, {"type": "null", "title": "t"}]}
    made = Schemas(Work()).for_gemini(schema, "here")
    assert made == {"anyOf": [{"type": ["object"]}, {"type": "null"}]}
