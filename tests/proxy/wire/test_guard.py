"""What passes a guarded chain of half-known structures."""

from typing import Any

import pytest

from proxy.wire.guard import numbers, signatures


def test_only_numbers_pass_at_any_depth() -> None:
    given = {"a": 1, "b": 0.5, "c": "text", "d": True, "e": None, "f": [1], "g": {"h": 2, "i": "x"}, "j": {"k": "x"}}
    assert numbers(given) == {"a": 1, "b": 0.5, "g": {"h": 2}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"signature": "s", "text": "x"}, {"signature": "s"}),
        ({"thought_signatures": ["s", "t"]}, {"thought_signatures": ["s", "t"]}),
        (
            {"google": {"thought_signature": "s", "thought": "x"}, "other": {"thought": "x"}},
            {"google": {"thought_signature": "s"}},
        ),
        ({"signature": {"text": "x"}, "thought_signatures": [{"text": "x"}], "thought_signature": 7}, {}),
    ],
)
def test_only_signatures_pass_at_any_depth(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert signatures(given) == kept
