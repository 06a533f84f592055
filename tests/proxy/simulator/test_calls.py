"""Records are limited in number and bytes, and their sums are right."""

import pytest

from proxy.simulator import calls
from proxy.simulator.calls import Call, Calls
from proxy.simulator.http import Request


def call(number: int, size: int) -> Call:
    return Call(number, "openai", Request("POST", "/", {}, {}, b"x" * size, True), 1, 0.0)


def kept(keep: int, sizes: list[int]) -> list[int]:
    records = Calls(keep)
    for number, size in enumerate(sizes):
        records.note(call(number, size))
    return [record.number for record in records]


def test_the_oldest_go_beyond_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MAX_BYTES", 100)
    assert kept(3, [20] * 50) == [47, 48, 49]


def test_the_oldest_go_beyond_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_MAX_BYTES", 100)
    assert kept(50, [20] * 50) == [45, 46, 47, 48, 49]
    assert kept(50, [20, 20, 200]) == [2]


def test_a_body_that_is_no_json_is_none() -> None:
    assert call(1, 3).body is None
