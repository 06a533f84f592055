"""Detect if and how long a request lets a model think."""

from typing import Any

import pytest

from policies.base import Target
from policies.limits import client_limit, reasons, thinking_budget


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, None),
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "minimal"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": None}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"reasoning": {"effort": "low"}}, True),
        ({"reasoning": {"enabled": False}}, False),
        ({"thinking_config": {"thinking_budget": 0}}, False),
        ({"thinkingConfig": {"thinkingBudget": -1}}, True),
        ({"thinkingConfig": {"includeThoughts": True}}, True),
    ],
)
def test_whether_it_may_think(body: dict[str, Any], expected: bool | None) -> None:
    for by_nature in (True, False):
        assert reasons(body, Target(reasons=by_nature)) == (by_nature if expected is None else expected)


@pytest.mark.parametrize(
    ("body", "budget"),
    [
        ({}, 0),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, 1024),
        ({"thinking": "odd", "thinkingConfig": {"thinkingBudget": -1}}, 0),
        ({"thinking_config": {"thinking_budget": 7}}, 7),
        ({"reasoning": {"max_tokens": 9}}, 9),
    ],
)
def test_a_budget(body: dict[str, Any], budget: int) -> None:
    assert thinking_budget(body) == budget


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 4}, 4),
    ],
)
def test_the_clients_limit(body: dict[str, Any], limit: int | None) -> None:
    assert client_limit(body) == limit
