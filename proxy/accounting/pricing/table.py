"""LiteLLM's table of models: prices, maximum lengths of prompt and answer, capabilities.

The table is the file that comes with LiteLLM, read once at the first look-up. Nothing is fetched. Its prices are
dollars per token, ours dollars per million tokens. Prices for times of day, batches or service tiers are ignored,
because requests here use none of them.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from policies.prices import Price
from proxy.accounting import litellm_files
from proxy.config.models import Ability

_FILE = "model_prices_and_context_window_backup.json"
_MEMBERS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "reasoning": "output_cost_per_reasoning_token",
}
_ABOVE = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
_MILLION = 1_000_000


_ABILITIES: Mapping[str, Ability] = {
    "supports_vision": "images",
    "supports_audio_input": "audio",
    "supports_pdf_input": "files",
    "supports_function_calling": "tools",
    "supports_response_schema": "json_schema",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """The table's facts about a model. `max_input` and `max_output` are in tokens, None if unknown."""

    price: Price | None
    max_output: int | None
    reasons: bool
    max_input: int | None = None
    abilities: frozenset[Ability] | None = None


def find(name: str) -> Entry | None:
    """Return the entry of a name such as `gpt-4o-mini` or `gemini/gemini-2.5-flash`."""
    return _table().get(name)


@functools.cache
def _table() -> Mapping[str, Entry]:
    raw: dict[str, Any] = orjson.loads((litellm_files.folder() / _FILE).read_bytes())
    return {name: _entry(members) for name, members in raw.items() if name != "sample_spec"}


def _entry(members: Mapping[str, Any]) -> Entry:
    return Entry(
        price=_price(members),
        max_output=_count(members.get("max_output_tokens")),
        reasons=members.get("supports_reasoning") is True,
        max_input=_count(members.get("max_input_tokens")),
        abilities=frozenset(ability for name, ability in _ABILITIES.items() if members.get(name) is True),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _price(members: Mapping[str, Any]) -> Price | None:
    answers = members.get("mode") != "embedding"
    base = _costs(members, "") if answers else {"output": 0.0, **_costs(members, "")}
    if "input" not in base or (answers and not base.get("output")):  # 0 stands for a price that the table does not have
        return None
    tiers = sorted((int(found[1]) for name in members if (found := _ABOVE.fullmatch(name))), reverse=True)
    above = tuple((least * 1000, _made({**base, **_costs(members, f"_above_{least}k_tokens")})) for least in tiers)
    return _made(base, above)


def _made(costs: Mapping[str, float], above: tuple[tuple[int, Price], ...] = ()) -> Price:
    return Price(**costs, above=above)


def _costs(members: Mapping[str, Any], ending: str) -> dict[str, float]:
    found = {part: members.get(f"{name}{ending}") for part, name in _MEMBERS.items()}
    return {part: cost * _MILLION for part, cost in found.items() if isinstance(cost, int | float)}
