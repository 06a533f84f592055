"""Counts of a JSON text's parts, against those of the parsed text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.steps import finished
from proxy.formats import jsonmarks

MANY = 1_000_000

TEXTS = st.text(st.sampled_from('ab"\\,:[]{}é\n')) | st.text()
VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def count(value: Any) -> tuple[int, int]:
    """Values and names in `value`, but for itself; containers."""
    below = [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    counts = [count(item) for item in below]
    names = len(value) if isinstance(value, dict) else 0
    inside = sum(values for values, _ in counts) + len(below) + names
    return inside, sum(containers for _, containers in counts) + isinstance(value, dict | list)


@pytest.fixture(params=[1, 2, 3, 7, 64])
def slices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonmarks, "SLICE", request.param)


@pytest.mark.usefixtures("slices")
@given(value=VALUES, plain=st.booleans())
def test_counts_are_those_of_the_parsed_text_whatever_its_strings_hold(value: Any, plain: bool) -> None:
    raw = json.dumps(value, ensure_ascii=plain, separators=(",", ":")).encode("utf-8", "surrogatepass")
    values, containers = count(value)
    empty = raw.count(b"[") + raw.count(b"{")  # an empty container brings a mark and no value
    outside = b"".join(jsonmarks.outside_strings(raw))
    assert b'"' not in outside
    assert outside.count(b"[") + outside.count(b"{") == containers
    assert values <= outside.count(b",") + outside.count(b":") + containers <= values + empty
    assert finished(jsonmarks.values(raw, MANY)) >= values and finished(jsonmarks.containers(raw, MANY)) >= containers


def test_strings_count_only_where_the_cheap_count_is_above_the_bound() -> None:
    raw = json.dumps({"a": "[,{:" * 100, "b": [1, 2]}).encode()
    assert finished(jsonmarks.values(raw, 100)) == 6  # 1 object, 1 array, 2 colons, 2 commas
    assert finished(jsonmarks.values(raw, MANY)) == 406
    assert finished(jsonmarks.containers(raw, 100)) == 2


def test_exact_counting_stops_above_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonmarks, "SLICE", 10)
    assert 50 < finished(jsonmarks.values(b"[" + b"1," * 10_000 + b"1]", 50)) < 70


@pytest.mark.usefixtures("slices")
@given(st.lists(st.sampled_from([b"\\", b"a", b'"', b"\\u0000"])))
def test_pairs_of_backslashes_go_as_if_all_were_replaced_at_once(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    assert b"".join(jsonmarks.without_escaped_backslashes(raw)) == raw.replace(b"\\\\", b"")
