"""A schema on the stream breaks at the first character that rules it out, and never earlier."""

import itertools
import json
import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from policies.json_guard.match import MAX_CELLS
from tests.instructions import Instructions
from tests.policies.json_guard.judging import cuts, first_bad, grammar, whole

CLOSED = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "names": {"type": "array", "items": {"type": "string"}}},
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["v"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
SHAPES = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
            "required": ["kind", "r"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"kind": {"const": "square"}, "side": {"type": "number"}},
            "required": ["kind", "side"],
            "additionalProperties": False,
        },
    ]
}

BROKEN: list[tuple[Any, str, str]] = [  # the schema, what is good, what breaks it
    ({"type": "object"}, "", "["),
    ({"type": "object"}, " \n", '"'),
    ({"type": "string"}, "", "1"),
    ({"type": ["string", "null"]}, "", "t"),
    ({"type": "boolean"}, "", "n"),
    ({"type": "integer"}, "1.5", " "),
    ({"type": "integer"}, "1.5e", "-"),
    ({"type": "integer"}, "15e-", "1"),
    ({"type": "array", "items": {"type": "integer"}}, "[1, 2.5", "]"),
    ({"type": "array", "items": {"type": "integer"}}, "[1, ", "t"),
    ({"prefixItems": [{"type": "string"}], "items": {"type": "null"}}, '["a", n', "o"),
    ({"prefixItems": [{"type": "string"}], "items": False}, '["a", ', "1"),
    ({"enum": ["red", "rose"]}, '"r', "a"),
    ({"enum": ["red", "rose"]}, '"re', '"'),
    ({"enum": ["red", "rose"]}, '"red', "d"),
    ({"enum": ["red", "rose"]}, "", "1"),
    ({"enum": ["red"]}, '"r\\u0065d', "\\"),
    ({"enum": ["red"]}, '"r\\u006', "6"),
    ({"enum": ["red"]}, '"r\\u00', "7"),
    ({"enum": ["red"]}, '"r\\', "n"),
    ({"enum": ["a\nb"]}, '"a\\', "t"),
    ({"enum": ["😀"]}, '"\\ud83d\\ude0', "1"),
    ({"enum": ["😀"]}, '"', "😁"),
    ({"enum": [True, None]}, "", "f"),
    ({"enum": [12, 1.5]}, "1", "3"),
    ({"enum": [12, 1.5]}, "", "-"),
    ({"enum": [12, 1.5]}, "12.", "1"),
    ({"enum": [12, 1.5]}, "[1]"[:0], "["),
    ({"const": "only"}, '"on', "e"),
    ({"const": 7}, "7", "1"),
    ({"const": 7, "enum": [8]}, "", "7"),
    ({"const": "a", "enum": ["a", 1]}, "", "1"),
    (CLOSED, "", "["),
    (CLOSED, '{"na', "t"),
    (CLOSED, '{"nam', '"'),
    (CLOSED, '{"name', "r"),
    (CLOSED, "{", "}"),
    (CLOSED, '{"names": ["a"]', "}"),
    (CLOSED, '{"name": ', "1"),
    (CLOSED, '{"names": [', "1"),
    (CLOSED, '{"n\\u0061m\\u0065": "x", "', "x"),
    ({"additionalProperties": False}, "{", '"'),
    ({"properties": {"a": {"type": "null"}}, "additionalProperties": {"type": "string"}}, '{"b": "", "c": ', "1"),
    ({"additionalProperties": {"type": "string"}}, '{"b": "", "c": ', "1"),
    ({"required": ["a", "b"]}, '{"a": 1, "c": {"b": 1}', "}"),
    ({"properties": {"a": False}}, '{"b": 1, "a": ', "1"),
    (TREE, '{"v": 1, "kids": [{"v": 2, "kids": [{', "}"),
    (TREE, '{"v": 1, "kids": [{"v": 2, "kids": [{"v": ', '"'),
    (TREE, '{"v": 1, "kids": [{"v": 2}, {"', "x"),
    (SHAPES, '{"kind": "', "t"),
    (SHAPES, '{"kind": "circle", "', "s"),
    (SHAPES, '{"kind": "square", "side": 1, "', "r"),
    (SHAPES, '{"r": 1, "kind": "', "s"),
    (SHAPES, '{"kind": "circle"', "}"),
    ({"oneOf": [{"type": "string"}, {"type": "null"}]}, "", "1"),
    ({"allOf": [{"required": ["a"]}, {"required": ["b"]}]}, '{"a": 1', "}"),
    ({"allOf": [{"enum": ["ab", "ac"]}, {"enum": ["ac", "ad"]}]}, '"a', "b"),
    ({"anyOf": [{"enum": ["ab"]}, {"enum": ["ac"]}]}, '"a', "d"),
    ({"anyOf": [{"items": {"type": "string"}}, {"items": {"type": "null"}}], "type": "array"}, '["", ', "n"),
    ({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "null"}}}, "", "t"),
    ({"$ref": "#/definitions/x", "definitions": {"x": {"type": "null"}}}, "", "t"),
    ({"$ref": "#/prefixItems/0", "prefixItems": [{"type": "array"}]}, "[", "1"),
    ({"properties": {"next": {"$ref": "#"}}, "additionalProperties": False}, '{"next": {"next": {"', "o"),
    (False, "", "1"),
]

FINE: list[tuple[Any, str]] = [
    (True, "[1]"),
    ({}, "[1]"),
    ({"type": "number"}, "1.5"),
    ({"type": ["integer", "number"]}, "1.5"),
    ({"type": "integer"}, "1.50e1"),
    ({"type": "integer"}, "10e-1"),
    ({"type": "integer"}, "-0.0"),
    ({"enum": ["red", "rose"]}, '"\\u0072ose"'),
    ({"enum": ["😀"]}, '"\\ud83d\\uDE00"'),
    ({"enum": ["😀"]}, '"😀"'),
    ({"enum": ["", "a/"]}, '""'),
    ({"enum": ["", "a/"]}, '"a\\/"'),
    ({"enum": [12, 1.5]}, "0.15E+1"),
    ({"enum": [[1], {"a": 2}]}, "[2]"),  # left to the whole check
    ({"enum": [float("inf")]}, "3"),
    (CLOSED, '{"names": ["a", "b"], "name": "x"}'),
    (CLOSED, '{"n\\u0061me": "x"}'),
    (TREE, '{"v": 1, "kids": [{"v": 2, "kids": [{"v": 3, "kids": []}]}, {"v": 4}]}'),
    (SHAPES, '{"kind": "circle", "r": 1}'),
    (SHAPES, '{"side": 1, "kind": "square"}'),
    ({"oneOf": [{"type": "string"}, {"enum": ["a"]}]}, '"a"'),  # both hold: left to the whole check
    ({"patternProperties": {"^x": True}, "additionalProperties": False}, '{"xa": 1, "y": 2}'),
    ({"type": "string", "minLength": 5, "pattern": "^z", "format": "date"}, '"a"'),
    ({"not": {"type": "string"}}, '"a"'),
    ({"items": {"type": "string"}}, '{"a": 1}'),
    ({"required": ["a"], "properties": {"a": {"type": "null"}}}, "[1]"),
    ({"anyOf": [True, {"type": "string"}]}, "1"),
    ({"$ref": "#"}, "1"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "[1]"),
    ({"anyOf": [{"const": n} for n in range(MAX_CELLS + 1)]}, '"x"'),  # too many ways to follow
    ({"properties": {"a": {"anyOf": [{"const": n} for n in range(MAX_CELLS + 1)]}}, "required": ["a"]}, '{"a": "x"}'),
]


@pytest.mark.parametrize(("schema", "good", "bad"), BROKEN)
def test_the_first_character_that_breaks_the_schema_is_told_however_it_is_cut(schema: Any, good: str, bad: str) -> None:
    for pieces in cuts(good + bad):
        assert first_bad(pieces, schema) == len(good)


@pytest.mark.parametrize(("schema", "text"), FINE)
def test_what_may_hold_is_whole_however_it_is_cut(schema: Any, text: str) -> None:
    for pieces in cuts(text):
        assert first_bad(pieces, schema) is None
    assert whole(text, schema)


@pytest.mark.parametrize(
    ("schema", "text"), [({"type": "integer"}, "1.5"), ({"enum": [12]}, "1"), ({"const": 7}, "7e1")]
)
def test_a_number_at_the_top_is_judged_at_the_end_of_the_answer(schema: Any, text: str) -> None:
    assert first_bad([text], schema) is None or text == "7e1"
    assert not whole(text, schema)


@pytest.mark.parametrize("more", [0, MAX_CELLS])
def test_a_schema_that_costs_too_much_is_given_up_at_the_same_place_however_it_is_cut(more: int) -> None:
    schema = {"items": {"anyOf": [{"const": n} for n in range(MAX_CELLS - 10 + more)]}}
    text = "[" + "1," * 200 + '"x"'
    places = {first_bad(pieces, schema) for pieces in ([text], list(text), [text[:300], text[300:]])}
    assert places == {None}
    assert first_bad(['[1,"'], schema) == (None if more else 3)


def test_a_large_union_is_followed_to_its_end() -> None:
    models = [
        {
            "type": "object",
            "properties": {"kind": {"const": f"m{n}"}, **{f"f{n}_{i}": {"type": "integer"} for i in range(8)}},
            "required": ["kind"],
            "additionalProperties": False,
        }
        for n in range(60)
    ]
    schema = {"type": "array", "items": {"anyOf": models}}
    text = json.dumps([{"kind": f"m{n % 60}", **{f"f{n % 60}_{i}": i for i in range(8)}} for n in range(100)])
    assert first_bad([text], schema) is None
    assert first_bad([text[:-1] + ', {"kind": "m7", "f8'], schema) == len(text) + 18


@pytest.mark.parametrize(
    "schema",
    [
        lambda size: {"anyOf": [{"required": [f"n{n}" for n in range(size)]}, {"type": "object"}]},
        lambda size: {"anyOf": [*[False] * size, {"type": "object"}]},
        lambda size: {"allOf": [{"anyOf": [*[False] * size, {"type": "object"}]}] * 3},
        lambda size: {"allOf": [True] * size, "prefixItems": [True] * size},
        lambda size: {"dependentRequired": {f"n{n}": ["a"] for n in range(size)}},
        lambda size: {"properties": {f"n{n}": {"type": "null"} for n in range(size)}},
    ],
)
def test_a_value_costs_the_same_whatever_the_length_of_the_schemas_lists(schema: Any) -> None:
    def cost(size: int) -> int:
        checker = grammar({"items": json.loads(json.dumps(schema(size)))})
        with Instructions("policies") as run:
            assert checker.feed("[" + "{}, " * 200) is None
        return run.count

    assert cost(4000) < 1.1 * cost(1000)


def test_required_names_are_not_copied_for_each_object() -> None:
    schema = {"properties": {"a": {"$ref": "#"}}, "required": [f"n{n}" for n in range(10_000)]}
    checker = grammar(schema)
    tracemalloc.start()
    try:
        assert checker.feed('{"a": ' * 100) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "schema",
    [
        {"items": {"anyOf": [{"enum": [100 * branch + n for n in range(60)]} for branch in range(200)]}},
        {"items": {"anyOf": [{"enum": [f"1{branch}{n}" for n in range(60)]} for branch in range(200)]}},
        {"items": {"allOf": [{"anyOf": [{"type": "integer"}, {"const": n}]} for n in range(100)]}},
        {"items": {"anyOf": [{"minLength": n} for n in range(200)]}},
        {"items": {"anyOf": [{"enum": [f"{'1' * 150}{branch}{n}" for n in range(10)]} for branch in range(100)]}},
        {
            "$defs": {f"c{n}": {"$ref": f"#/$defs/c{n - 1}"} if n else {"type": "string"} for n in range(100)},
            "items": {"anyOf": [{"allOf": [{"$ref": f"#/$defs/c{n}"} for n in range(100)]}, {"type": "integer"}]},
        },
    ],
)
def test_what_is_followed_is_bounded_for_each_character(schema: Any) -> None:
    """The last case is a chain of failures that settles one link in each pass."""
    for text in ("1111111111,", '"1111111",', "1,", f'"{"1" * 150}",'):
        checker, whole_text = grammar(schema), "[" + text * 200
        with Instructions("policies") as run:
            broken = checker.feed(whole_text)
        assert run.count < 1_200_000 + 3000 * (len(whole_text) if broken is None else broken)


# ---- against the library, on every document of a small world
SCALARS = ['""', '"a"', '"ab"', '"b"', "0", "1", "12", "1.5", "true", "false", "null"]
KEYS = ["ax", "bx", "by"]


def _world() -> list[str]:
    small = ['"a"', "1", "1.5", "null"]
    nested = [f"[{a}]" for a in small] + ["[]", "{}"] + [f'{{"{k}":{a}}}' for k in KEYS for a in small]
    values = SCALARS + nested
    arrays = ["[]"] + [f"[{a}]" for a in values] + [f"[{a},{b}]" for a in SCALARS for b in values]
    objects = ["{}"] + [f'{{"{k}":{a}}}' for k in KEYS for a in values]
    for names in itertools.permutations(KEYS, 2):
        objects += [f'{{"{names[0]}":{a},"{names[1]}":{b}}}' for a in SCALARS for b in values]
    for names in itertools.permutations(KEYS, 3):
        members = itertools.product(small, repeat=3)
        objects += ["{" + ",".join(f'"{n}":{v}' for n, v in zip(names, row, strict=True)) + "}" for row in members]
    return SCALARS + arrays + objects


WORLD = [(text, json.loads(text)) for text in _world()]
SAMPLE = WORLD[::17] + WORLD[: len(SCALARS)]

leaves: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        lambda t: {"type": t},
        st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null", ["string", "null"]]),
    ),
    st.builds(
        lambda v: {"enum": v}, st.lists(st.sampled_from(["", "a", "ab", 0, 1, 12, True, None]), min_size=1, max_size=3)
    ),
    st.builds(lambda v: {"const": v}, st.sampled_from(["a", "ab", 1, 1.5, False, None])),
    st.builds(lambda names: {"required": names}, st.lists(st.sampled_from(KEYS), max_size=2)),
    st.sampled_from([True, False, {}, {"$ref": "#"}, {"$ref": "#/$defs/d"}]),
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    branches = st.lists(inner, min_size=1, max_size=3)
    members = st.dictionaries(st.sampled_from(KEYS), inner, max_size=2)
    return st.one_of(
        st.builds(
            lambda p, a, r: {"properties": p, "additionalProperties": a, "required": r},
            members,
            st.booleans() | inner,
            st.lists(st.sampled_from(KEYS), max_size=2),
        ),
        st.builds(lambda p, i: {"prefixItems": p, "items": i}, branches, inner),
        st.builds(lambda i: {"items": i, "type": "array"}, inner),
        st.builds(lambda b: {"anyOf": b}, branches),
        st.builds(lambda b: {"allOf": b}, branches),
    )


schemas = st.recursive(leaves, _larger, max_leaves=8)


def _grounded(schema: Any, definition: Any) -> Any:
    """Return true if a schema's references do not form a loop without a step into the document."""
    root = {"allOf": [schema]} if not isinstance(schema, dict) else dict(schema)
    return {**root, "$defs": {"d": definition}}


definitions = st.sampled_from(
    [
        {"type": "string"},
        {"items": {"$ref": "#/$defs/d"}, "type": "array"},
        {"enum": ["ab", 12]},
        {"type": ["integer", "object"]},
    ]
)


@given(schemas, definitions)
@settings(max_examples=120, deadline=None)
def test_documents_are_judged_as_by_the_library_and_no_prefix_of_a_valid_one_is_broken(
    schema: Any, definition: Any
) -> None:
    schema = _grounded(schema, definition)
    validator = Draft202012Validator(schema)
    for text, document in SAMPLE:
        try:
            valid = validator.is_valid(document)
        except RecursionError:
            return
        assert whole(text, schema) == valid, (schema, text)


@given(schemas, definitions)
@settings(max_examples=25, deadline=None)
def test_the_place_is_where_no_document_goes_on(schema: Any, definition: Any) -> None:
    """The place is never too early, for all documents of the world."""
    schema = _grounded(schema, definition)
    validator = Draft202012Validator(schema)
    try:
        possible = {
            text[:at] for text, document in WORLD[::3] if validator.is_valid(document) for at in range(len(text) + 1)
        }
    except RecursionError:
        return
    for text, _ in WORLD[::29]:
        place = first_bad([text], schema)
        assert place is None or text[: place + 1] not in possible, (schema, text)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": ["string", "null"]},
        {"enum": ["ab", "b", 12, None]},
        {"type": "object", "properties": {"ax": {"type": "integer"}}, "required": ["bx"]},
        {"type": "object", "properties": {k: {"enum": ["a", 1]} for k in KEYS}, "additionalProperties": False},
        {"type": "array", "items": {"type": ["integer", "object"]}},
        {
            "anyOf": [
                {"type": "array", "items": {"enum": ["ab"]}},
                {"required": ["ax"], "type": "object"},
                {"const": 1.5},
            ]
        },
        {"properties": {"by": {"$ref": "#"}, "ax": {"const": "a"}}, "type": ["object", "null"]},
    ],
)
def test_for_these_the_place_is_exactly_where_no_document_goes_on(schema: Any) -> None:
    validator = Draft202012Validator(schema)
    possible = {text[:at] for text, document in WORLD if validator.is_valid(document) for at in range(len(text) + 1)}
    for text, _ in WORLD:
        place = first_bad([text], schema)
        ahead = next((at for at in range(1, len(text) + 1) if text[:at] not in possible), None)
        expected = None if ahead is None else ahead - 1
        if place != expected:  # only where the world is too small: a fourth member, a longer number
            assert expected is not None and _beyond_the_world(text, expected), (schema, text, place, expected)


def _beyond_the_world(text: str, at: int) -> bool:
    before = text[: at + 1]
    return (
        bool(re.search(r"[0-9.]$", before))
        or (":" in before and "," in before)
        or before.count("[") + before.count("{") > 1
        or before[-1] == ","
    )
