"""Strategies for schemas, patterns and answers that are small to send and large to process.

Each takes an approximate limit of an example's parts when it is fully expanded. Examples approach it by products
(repeats in repeats, references in references) and by plain length. Some go far beyond it.
"""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import strategies as st

Schema: TypeAlias = dict[str, Any]

DEEPEST = 40
"""Nesting levels of generated values. A request's body may have 64."""


def patterns(max_expansion: int) -> st.SearchStrategy[str]:
    """Generate regular expressions, mostly valid, with up to `max_expansion` parts when repeats are expanded."""
    return st.one_of(
        st.builds(_repeats, _factors(max_expansion), _BODIES),
        st.builds(lambda body, count: f"(?:{body}){{{count}}}", _BODIES, st.integers(0, 2**32 + 1)),
        st.builds(lambda body, count: f"^{body}{{0,{count}}}{body}*$", _BODIES, _size(max_expansion)),
        st.builds(lambda part, count: part * count, _PARTS, _size(max_expansion)),
        st.builds(lambda part, count: "|".join([part] * count), _PARTS, _size(max_expansion)),
        st.builds(lambda depth: "(" * depth + "a" + ")" * depth, _size(max_expansion)),
        st.builds(lambda flags, ranges: f"{flags}[{ranges}]", st.sampled_from(["", "(?i)"]), _ranges(max_expansion)),
        st.builds(lambda part, size: f"[{part * size}]", st.sampled_from(["[", "--", "&&", "a", "\\d"]), _size(200)),
        st.text(alphabet="ab()[]{}|*+?^$\\-&~,0123456789:!<=", max_size=min(max_expansion, 60)),
    )


def schemas(max_expansion: int) -> st.SearchStrategy[Schema]:
    """Generate schemas, mostly valid, with up to `max_expansion` parts when references are followed."""
    shapes = [strategy(max_expansion) for strategy in _SHAPES]
    single = st.one_of(*shapes)
    pairs = st.builds(_combined, st.sampled_from(["anyOf", "allOf", "oneOf"]), single, single)
    return st.one_of(single, pairs, st.builds(_within, st.sampled_from(_AROUND), single))


def answers(max_size: int) -> st.SearchStrategy[str]:
    """Generate JSON texts of about `max_size` values: wide, deep, with long strings or long numbers."""
    values = st.sampled_from([None, True, 0, 1, 1.5, -1, "", "a", "aa", "n1", {}, [], {"n0": 1}, [1, [1]], {"n1": {}}])
    small = st.sampled_from([1, 2, 3, 10])
    documents: st.SearchStrategy[Any] = st.one_of(
        values,
        st.builds(lambda value, count: [value] * count, values, _size(max_size)),
        st.builds(lambda value, count: {f"n{at}": value for at in range(count)}, values, _size(max_size)),
        st.builds(lambda count: list(range(count)), _size(max_size)),
        st.builds(lambda count: "a" * count, _size(max_size)),
        st.builds(lambda value, depth, wide: _nested(value, depth, wide), values, st.integers(1, 60), small),
    )
    numbers = st.builds(lambda digit, count: digit * count, st.sampled_from(["1", "9"]), _size(300))
    return documents.map(json.dumps) | numbers | st.builds(lambda e: f"[1e{e}, 1e-{e}]", _size(400))


# ---- sizes
def _size(most: int) -> st.SearchStrategy[int]:
    """Generate sizes from 1 to `most`, large ones as often as small ones."""
    return st.builds(
        lambda power, share: max(1, int(most ** (power / 4) * share)), st.integers(0, 4), st.floats(0.5, 1)
    )


def _factors(most: int) -> st.SearchStrategy[list[int]]:
    """Generate factors whose product is about `most`, or far above it."""
    return st.lists(st.sampled_from([2, 3, 10, 50, max(2, int(most**0.5)), most]), min_size=1, max_size=6)


# ---- patterns
_BODIES = st.sampled_from(
    ["", "a", "(?:)", "(|)", "a|b", "[ab]", "^", r"\b", "a*", "(a|aa)", "(?:|a)", ".", "[^\\x00-ￜ]"]
)
_PARTS = st.sampled_from(
    ["a", "a?", "()", "(a)", "(?:|)", "[a-z]", "[Ā-￰]", "a|", "(a*)*", "(?=a)", "a{2}", "\\d", "(?i:a)"]
)


def _repeats(factors: list[int], body: str) -> str:
    for factor in factors:
        body = f"(?:{body}){{{factor}}}"
    return body


def _ranges(most: int) -> st.SearchStrategy[str]:
    return st.builds(
        lambda count, step: "".join(f"{chr(0x100 + step * at)}-{chr(0x101 + step * at)}" for at in range(count)),
        _size(min(most, 2000)),
        st.integers(3, 20),
    )


# ---- schemas, by shape
_LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": ["integer", "null"]},
        {"const": "a"},
        {"enum": ["a", 1, None, [1], {"n0": 1}]},
        {"multipleOf": 0.01, "maximum": 10**300},
        {"minLength": 1, "pattern": "^(a|aa)+$"},
        {"uniqueItems": True},
        {"required": ["n0", "n1"]},
        {"not": {"type": "object"}},
        {"unevaluatedProperties": False, "unevaluatedItems": False},
    ]
)
_AROUND: list[Callable[[Schema], Schema]] = [
    lambda schema: {"items": schema},
    lambda schema: {"properties": {"n0": schema, "n1": schema}},
    lambda schema: {"additionalProperties": schema, "patternProperties": {"^n": schema}},
    lambda schema: {"contains": schema, "minContains": 2},
    lambda schema: {"propertyNames": schema},
    lambda schema: {"if": schema, "then": schema, "else": schema},
    lambda schema: {"prefixItems": [schema] * 3, "unevaluatedItems": schema},
    lambda schema: {"dependentSchemas": {"n0": schema, "n1": schema}, "unevaluatedProperties": schema},
    lambda schema: {"items": {"anyOf": [{"items": schema}, schema]}},
]


def _within(around: Callable[[Schema], Schema], schema: Schema) -> Schema:
    """Put a schema into another one, with its definitions at the root."""
    inner = {keyword: value for keyword, value in schema.items() if keyword != "$defs"}
    return {**around(inner), "$defs": schema.get("$defs", {})}


def _combined(keyword: str, first: Schema, second: Schema) -> Schema:
    definitions = {**second.get("$defs", {}), **first.get("$defs", {})}
    branches = [{k: v for k, v in schema.items() if k != "$defs"} for schema in (first, second)]
    return {keyword: branches, "$defs": definitions}


def _chain(most: int) -> st.SearchStrategy[Schema]:
    """References one after another."""
    return st.builds(_references, st.just("allOf"), st.just(1), _size(min(most, 3000)), _LEAVES)


def _diamonds(most: int) -> st.SearchStrategy[Schema]:
    """Generate definitions that each refer several times to the next. Their product is up to `most`, or far
    above it.
    """
    keywords = st.sampled_from(["allOf", "anyOf", "oneOf", "items", "properties"])
    return st.builds(_references, keywords, st.integers(2, 4), st.integers(1, max(2, most.bit_length() * 2)), _LEAVES)


def _references(keyword: str, ways: int, depth: int, leaf: Schema) -> Schema:
    definitions: Schema = {f"d{depth}": leaf}
    for at in range(depth):
        next_ones = [{"$ref": f"#/$defs/d{at + 1}"} for _ in range(ways)]
        definitions[f"d{at}"] = _spread(keyword, next_ones)
    return {"$defs": definitions, "$ref": "#/$defs/d0"}


def _spread(keyword: str, schemas: list[Schema]) -> Schema:
    if len(schemas) == 1:
        return schemas[0]
    if keyword == "items":
        return {"prefixItems": schemas, "items": schemas[0]}
    if keyword == "properties":
        return {"properties": {f"n{at}": schema for at, schema in enumerate(schemas)}}
    return {keyword: schemas}


def _cycles(most: int) -> st.SearchStrategy[Schema]:
    """Generate definitions that refer back to themselves, in several ways at each level of an answer."""
    return st.builds(
        lambda keyword, ways, leaf: {
            "$defs": {"d": {keyword: [{"items": {"$ref": "#/$defs/d"}, **leaf} for _ in range(ways)]}},
            "$ref": "#/$defs/d",
        },
        st.sampled_from(["anyOf", "allOf", "oneOf"]),
        _size(min(most, 300)),
        _LEAVES | st.just({"$ref": "#/$defs/d"}),
    )


def _many_branches(most: int) -> st.SearchStrategy[Schema]:
    return st.builds(
        lambda keyword, count, kind: {keyword: [_branch(kind, at) for at in range(count)]},
        st.sampled_from(["anyOf", "allOf", "oneOf"]),
        _size(most),
        st.sampled_from(["const", "properties", "false", "required", "pattern", "ref"]),
    )


def _branch(kind: str, at: int) -> Any:
    return {
        "const": {"const": at},
        "properties": {"properties": {f"n{at}": True}, "additionalProperties": False},
        "false": False,
        "required": {"required": [f"n{at}"]},
        "pattern": {"pattern": f"a{{{at % 50}}}b"},
        "ref": {"$ref": "#/allOf/0"},
    }[kind]


def _many_names(most: int) -> st.SearchStrategy[Schema]:
    def schema(count: int, long: int) -> Schema:
        names = [f"n{at}{'x' * long}" for at in range(count)]
        return {
            "anyOf": [{"required": names}, {"dependentRequired": {name: names[:50] for name in names[:50]}}],
            "properties": {name: {"const": 1} for name in names},
            "enum": [*names, {"n0": names}],
            "unevaluatedProperties": False,
        }

    return st.builds(schema, _size(most), st.sampled_from([0, 0, 100]))


def _long_name(most: int) -> st.SearchStrategy[Schema]:
    """A long name with many schemas below it."""
    return st.builds(
        lambda length, letter, count: {
            "properties": {letter * length: {"anyOf": [{"const": n} for n in range(count)]}}
        },
        _size(most),
        st.sampled_from(["n", "é", "😀"]),
        _size(most),
    )


def _deep(most: int) -> st.SearchStrategy[Schema]:
    def schema(depth: int, wide: int, keyword: str, leaf: Schema) -> Schema:
        made: Schema = leaf
        for level in range(depth):
            made = {keyword: made if keyword in ("items", "not") else [made] * (wide if level < 5 else 1)}
        return made

    keywords = st.sampled_from(["items", "not", "allOf", "anyOf", "oneOf"])
    return st.builds(schema, st.integers(1, DEEPEST), st.integers(1, 3), keywords, _LEAVES)


def _patterned(most: int) -> st.SearchStrategy[Schema]:
    def schema(first: str, second: str) -> Schema:
        return {"pattern": first, "patternProperties": {first: True, second: {}}, "additionalProperties": False}

    return st.builds(schema, patterns(most), patterns(most))


def _nested(value: Any, depth: int, wide: int) -> Any:
    for level in range(depth):
        value = {f"n{at}": value for at in range(wide)} if level == 1 else [value] * (wide if level < 3 else 1)
    return value


_SHAPES: list[Callable[[int], st.SearchStrategy[Schema]]] = [
    _chain,
    _diamonds,
    _cycles,
    _many_branches,
    _many_names,
    _long_name,
    _deep,
    _patterned,
]
