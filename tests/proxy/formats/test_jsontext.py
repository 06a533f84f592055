"""Exactness where orjson and the standard library differ."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.formats.jsontext import MAX_DEPTH, dumps, loads

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(values)
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2**64),
        (b'{"a":[-123456789012345678901234567890]}', {"a": [-123456789012345678901234567890]}),
        (rb'"\ud83d"', "\ud83d"),
        (rb'"\ud83d\ude00"', "😀"),
        (b"Infinity", math.inf),
        (b'{"a":"1234567890123456789012345"}', {"a": "1234567890123456789012345"}),
    ],
)
def test_numbers_and_surrogates_stay_exact(text: bytes, value: Any) -> None:
    assert loads(text) == value


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"a":\x00}', b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16")])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


def test_nesting_is_bounded_and_what_is_allowed_can_be_written() -> None:
    deepest = loads(nested(MAX_DEPTH))
    for beside in (1, "\ud800", 2**70):
        assert json.loads(dumps({"choices": [{"delta": {"unknown": deepest, "beside": beside}}]}))
    assert loads(b"[[],[]," + nested(MAX_DEPTH - 1) + b"]")
    for depth in (MAX_DEPTH + 1, 500, 5_000, 200_000):
        for text in (nested(depth), nested(depth, b'{"a":', b"}")):
            with pytest.raises(ValueError):
                loads(text)


def test_brackets_in_text_and_side_by_side_are_not_nesting() -> None:
    assert loads(dumps("[" * 1000)) == "[" * 1000
    assert loads(b"[" + b"[],{}," * 500 + b"1]")[-1] == 1


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    assert dumps("a\ud83d") == rb'"a\ud83d"'
    assert dumps({"a": ["\ude00", 2**70]}) == rb'{"a":["\ude00",1180591620717411303424]}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_null(number: float) -> None:
    assert dumps([number]) == b"[null]"
    assert dumps(["\ud83d", number, {"b": 2**70}]) == rb'["\ud83d",null,{"b":1180591620717411303424}]'
