"""The provider's own limit of an answer, lowered by the caps.

A client's own limit is never raised. At OpenAI, Anthropic and Gemini, reasoning counts against the limit. If the model
may think, the limit therefore needs room beyond the answer, or reasoning would use all of it.
"""

from collections.abc import Mapping
from typing import Any

from policies.base import Target

REASONING_ALLOWANCE = 25_000
"""Room for reasoning of unknown length, as OpenAI recommends."""

_LIMITS = ("max_completion_tokens", "max_tokens")
_CONFIGS = ("thinking_config", "thinkingConfig")


def client_limit(body: Mapping[str, Any]) -> int | None:
    """Return the limit that the client set, or None. Some servers accept -1 for no limit."""
    return next((limit for name in _LIMITS if isinstance(limit := body.get(name), int) and limit > 0), None)


def lowered(body: Mapping[str, Any], target: Target, most: int) -> Mapping[str, Any]:
    """Return the request with a limit of at most `most` tokens."""
    if target.max_output is not None:
        most = min(most, target.max_output)
    given = {name: body[name] for name in _LIMITS if isinstance(body.get(name), int)}
    if not given:
        return {**body, target.limit: most if target.usual is None else min(most, target.usual)}
    return {**body, **{name: min(limit, most) if limit > 0 else most for name, limit in given.items()}}


def reasons(body: Mapping[str, Any], target: Target) -> bool:
    """Return true if the model may think before it answers, by the request's settings or by default."""
    effort, thinking, reasoning = body.get("reasoning_effort"), body.get("thinking"), body.get("reasoning")
    if effort is not None:
        return bool(effort != "none")
    if isinstance(thinking, dict):
        return thinking.get("type") != "disabled"
    if isinstance(reasoning, dict):
        return reasoning.get("enabled") is not False and reasoning.get("effort") != "none"
    for name in _CONFIGS:
        config = body.get(name)
        if isinstance(config, dict):
            return config.get("thinkingBudget", config.get("thinking_budget")) != 0
    return target.reasons


def thinking_budget(body: Mapping[str, Any]) -> int:
    """Return the number of reasoning tokens that the request asks for, 0 without a number."""
    found = [_member(body.get("thinking"), "budget_tokens"), _member(body.get("reasoning"), "max_tokens")]
    for name in _CONFIGS:
        found += [_member(body.get(name), "thinkingBudget"), _member(body.get(name), "thinking_budget")]
    return max(0, *found)


def _member(value: Any, name: str) -> int:
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) else 0
