"""The estimate of what a body takes in memory, against what it takes."""

import json
import tracemalloc

import orjson
import pytest

from policies.steps import finished
from proxy.formats import jsonmarks
from proxy.formats.footprint import SENT, bound, footprint

N = 300_000


def chat(content: object) -> bytes:
    return orjson.dumps({"model": "m", "messages": content})


def said(text: str) -> bytes:
    return chat([{"role": "user", "content": text}])


def array(value: bytes, times: int) -> bytes:
    return b'{"a":[' + value * times + b"1]}"


FEW_VALUES = {
    "prose": said("The quick brown fox, it jumps over the lazy dog. " * (N // 50)),
    "an image": chat([{"role": "user", "content": [{"image_url": {"url": "data:" + "QUJD" * (N // 4)}}]}]),
    "Chinese": said("密碼身分證" * (N // 15)),
    "ASCII and a Chinese letter": said("x" * N + "密"),
    "ASCII and an emoji": said("x" * N + "😀"),
    "French": said("é" * (N // 2)),
    "escapes": json.dumps({"messages": [{"content": "密" * (N // 6)}]}).encode(),
    "a hundred messages": chat([{"role": "user", "content": "hello there " * 300}] * 100),
    "one long name": b'{"' + b"n" * N + b'": 1}',
    "JSON in a text": said('{"a": 1, "b": [1, 2, {}]}' * (N // 25)),
}
MANY_VALUES = {
    "small messages": chat([{"role": "user", "content": f"hello {i}"} for i in range(N // 45)]),
    "calls of tools": chat([{"tool_calls": [{"function": {"arguments": f'{{"a": {i}}}'}}]} for i in range(N // 60)]),
    "texts of two letters": array(b'"ab",', N // 5),
    "texts of one letter": array(b'"a",', N // 4),
    "texts of an emoji": array('"😀",'.encode(), N // 7),
    "empty texts": array(b'"",', N // 3),
    "integers": array(b"999,", N // 4),
    "fractions": array(b"1.5,", N // 4),
    "nulls": array(b"null,", N // 5),
    "empty objects": array(b"{},", 90_000),
    "empty arrays": array(b"[],", 90_000),
    "small objects": array(b'{"a":1},', 90_000),
    "arrays of one": array(b"[1],", 90_000),
    "a large object": b'{"a":{' + b",".join(b'"%d":1' % i for i in range(N // 11)) + b"}}",
    "long names": b'{"a":{' + b",".join(b'"%b%d":1' % (b"k" * 70, i) for i in range(N // 81)) + b"}}",
}
SMALL = {
    "nothing": b"{}",
    "a usual chat": said("hello"),
    "a small array of texts": array(b'"a",', 3000),
    "small empty objects": array(b"{},", 4000),
    "a small text with an emoji": said("x" * 15_000 + "😀"),
}


def most(raw: bytes) -> int:
    """The bound of a body, of which is counted as `parse_body` does."""
    values, containers = (finished(count(raw, 300_000)) for count in (jsonmarks.values, jsonmarks.containers))
    return finished(bound(raw, values, containers))


def taken(raw: bytes) -> int:
    """The bytes that the parsed body takes."""
    tracemalloc.start()
    body = orjson.loads(raw)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert body is not None
    return size


@pytest.mark.parametrize("kind", FEW_VALUES)
def test_a_body_of_few_values_is_known_to_a_tenth(kind: str) -> None:
    raw = FEW_VALUES[kind]
    found = footprint(orjson.loads(raw), raw, most(raw)) - SENT * len(raw)
    assert taken(raw) <= found * 1.01 and found < taken(raw) * 1.1 + 10_000


@pytest.mark.parametrize("kind", {**MANY_VALUES, **SMALL})
def test_a_body_of_many_values_or_a_small_one_takes_no_more_than_its_bound(kind: str) -> None:
    raw = {**MANY_VALUES, **SMALL}[kind]
    assert taken(raw) <= footprint(orjson.loads(raw), raw, most(raw)) - SENT * len(raw)


@pytest.mark.parametrize("kind", FEW_VALUES)
def test_before_it_is_parsed_the_bound_holds_for_every_body(kind: str) -> None:
    raw = FEW_VALUES[kind]
    assert taken(raw) <= most(raw) - SENT * len(raw)
