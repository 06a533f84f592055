"""The provider's own limit of an answer, lowered by the caps.

Rule: a client's own limit is never raised. What a model thinks counts against the provider's limit (at OpenAI,
Anthropic and Gemini), so where it may think there must be room for that beyond the answer: or it would spend all on
thoughts.
"""

from collections.abc import Mapping
from typing import Any

from policies.base import Target

REASONING_ALLOWANCE = 25_000
"""Room for thoughts where nothing says how long they may be: what OpenAI advises to leave."""

_LIMITS = ("max_completion_tokens", "max_tokens")
_CONFIGS = ("thinking_config", "thinkingConfig")


def client_limit(body: Mapping[str, Any]) -> int | None:
    """The limit that the client asked for. Some servers take -1 for none."""
    return next((limit for name in _LIMITS if isinstance(limit := body.get(name), int) and limit > 0), None)


def lowered(body: Mapping[str, Any], target: Target, most: int) -> Mapping[str, Any]:
    """The request with a limit of at most `most` tokens."""
    if target.max_output is not None:
        most = min(most, target.max_output)
    given = {name: body[name] for name in _LIMITS if isinstance(body.get(name), int)}
    if not given:
        return {**body, target.limit: most}
    return {**body, **{name: min(limit, most) if limit > 0 else most for name, limit in given.items()}}


def reasons(body: Mapping[str, Any], target: Target) -> bool:
    """Whether the model may think before it answers: by what the request asks, or else by its nature."""
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
    """How many tokens of thought the request asks for by number; 0 for none."""
    found = [_member(body.get("thinking"), "budget_tokens"), _member(body.get("reasoning"), "max_tokens")]
    for name in _CONFIGS:
        found += [_member(body.get(name), "thinkingBudget"), _member(body.get(name), "thinking_budget")]
    return max(0, *found)


def _member(value: Any, name: str) -> int:
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) else 0
