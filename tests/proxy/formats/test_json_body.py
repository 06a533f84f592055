"""From a body's bytes to its object."""

import contextlib
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.steps import finished
from proxy.errors import InvalidRequest
from proxy.formats import jsonmarks
from proxy.formats.json_body import parse_body

BIG = 2_000_000


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"a":1}', {"a": 1}),
        (b' \r\n\t{"a":1}\n', {"a": 1}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        ('{"a":"密碼 😀"}'.encode(), {"a": "密碼 😀"}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a":"\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a":"\\\\\\\\u0000"}', {"a": "\\\\u0000"}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":18446744073709551615}', {"a": 2**64 - 1}),
        (b'{"a":18446744073709551616}', {"a": 2**64}),
        (b'{"a":-9223372036854775809}', {"a": -(2**63) - 1}),
        (b'{"a":[123456789012345678901234567890,1.5]}', {"a": [123456789012345678901234567890, 1.5]}),
        (b'{"a":["1234567890123456789012",1.5]}', {"a": ["1234567890123456789012", 1.5]}),
        (b'{"a":["\\"1234567890123456789012",1.5]}', {"a": ['"1234567890123456789012', 1.5]}),
        (b'{"a":[0.1234567890123456789012,1e5]}', {"a": [0.12345678901234568, 100000.0]}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":' + b"[" * 63 + b"]" * 63 + b"}", None),
        (b'{"a":"' + b"[{" * 200 + b'"}', {"a": "[{" * 200}),
        (b'{"a":"' + b"[" * 200_000 + b'"}', {"a": "[" * 200_000}),
        (b'{"a":"' + b"," * 400_000 + b'"}', {"a": "," * 400_000}),
        (b'{"a":"' + b"1" * 2**21 + b'"}', {"a": "1" * 2**21}),
    ],
)
def test_what_a_client_may_send_is_read_exactly(raw: bytes, expected: Any) -> None:
    body = finished(parse_body(raw))
    assert expected is None or (body == expected and repr(body) == repr(expected))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "The body is empty"),
        (b" \n", "The body is empty"),
        (b"\xef\xbb\xbf", "The body is empty"),
        (b"{", "not valid JSON in UTF-8: unexpected end of data: line 1 column 2 (char 1)"),
        (b'{"a" 1}', "line 1 column 6 (char 5)"),
        (b'{\n"a":1,}', "line 2 column 6"),
        (b'{"a":1} x', "unexpected content after document"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":1e999}', "infinity"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\x00"}', "control character"),
        (b'{"a":"\n"}', "control character"),
        (b'{"a":"\xff"}', "not valid UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
        ('{"a":1}'.encode("utf-16"), "not valid"),
        (b"\x1f\x8b\x08\x00", "not valid"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b'{"\\ud800":1}', "surrogate"),
        (b'{"a":"x\\u0000y"}', "NUL character"),
        (b'{"a\\u0000":1}', "NUL character"),
        (b'{"a":"\\\\\\u0000"}', "NUL character"),
        (b"[]", "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b"1", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than 64"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested deeper than 64"),
        (b'{"a":[' + b"[]," * 100_000 + b"1]}", "more than 100000 objects and arrays"),
        (b'{"a":["\\"[",' + b"{}," * 100_000 + b"1]}", "more than 100000 objects and arrays"),
        (b'{"a":[' + b"1," * 300_000 + b"1]}", "more than 300000 values and names"),
        (b'{"a":["\\",",' + b"1," * 300_000 + b"1]}", "more than 300000 values and names"),
        (b'{"a":' + b"1" * 400 + b"}", "not valid JSON"),
        (b'{"a":18446744073709551616,"b":"' + b"x" * 2**21 + b'"}', "an integer beyond 64 bits"),
    ],
)
def test_anything_else_is_400_with_its_reason(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        finished(parse_body(raw))
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_body")
    assert message in refusal.value.message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b'\\"' * (BIG // 2),
        b'{"a":"' + b'[\\"' * (BIG // 3),
        b'{"a":"' + b'[\\"' * (BIG // 3) + b"\\\n",
        b'{"a":[' + b'"ab[",' * (BIG // 6) + b"1]}",
        b'{"a":"' + b"\\\\u0000" * (BIG // 7) + b'"}',
        b'{"a":[' + b"[]," * (BIG // 3) + b"1]}",
        b"[" * BIG,
        b'{"a":' * (BIG // 5),
        b'{"a":' + b"9" * BIG + b"}",
        b'"' * BIG,
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_no_body_takes_more_than_linear_time(raw: bytes) -> None:
    begin = time.monotonic()
    with contextlib.suppress(InvalidRequest):
        finished(parse_body(raw))
    assert time.monotonic() - begin < 2


def test_a_large_body_is_read_in_steps() -> None:
    """All of the body is searched slice by slice, for NUL characters, long integers and values."""
    raw = b'{"a":"' + b"\\\\u0000[" * (BIG // 8) + b'","b":[' + b'"[",' * 1_000 + b"1.0000000000000000000000]}"
    assert sum(1 for _ in parse_body(raw)) > 3 * len(raw) // jsonmarks.SLICE


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4), st.booleans())
def test_whatever_passes_is_what_the_standard_library_reads_and_can_be_sent_on(
    value: dict[str, Any], ascii_only: bool
) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    try:
        body = finished(parse_body(raw))
    except InvalidRequest as refusal:
        assert "\\u0000" in raw.decode() or "surrogate" in refusal.message
        return
    assert body == json.loads(raw)
    json.dumps(body, ensure_ascii=False, allow_nan=False).encode()


@given(st.binary(max_size=80))
def test_no_bytes_do_anything_but_parse_or_be_refused(raw: bytes) -> None:
    try:
        body = finished(parse_body(raw))
    except InvalidRequest:
        return
    assert body == orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
