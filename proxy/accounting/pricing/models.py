"""Known facts about a provider's model: its price, its limits, its tokenizer.

The configuration's `prices` override LiteLLM's table. The table is searched for `provider/model`. For the three
providers that name models of their own, it is also searched for the model's name alone. Another server's `gpt-4o` has
no price unless one is configured.
"""

from collections.abc import Mapping
from functools import lru_cache

from policies.base import Target
from policies.prices import Price
from proxy.accounting.pricing import table
from proxy.config.models import Api, Prices
from proxy.config.wildcards import Wildcards
from proxy.formats.facts import COMMON_LIMIT
from proxy.formats.registry import FORMATS

_UNKNOWN = table.Entry(None, None, reasons=True)


def target(prices: Mapping[str, Prices], provider: str, api: Api, model: str) -> Target:
    """Look up `model` at the configured provider called `provider`, with the wire format `api`."""
    known = entry(provider, model) or _UNKNOWN
    given = pattern_for(Wildcards(prices), provider, model)
    return Target(
        limit=FORMATS[api].limit if provider == api else COMMON_LIMIT,
        reasons=known.reasons and FORMATS[api].thinks_unasked,
        max_output=known.max_output,
        price=known.price if given is None else _price(prices[given]),
    )


@lru_cache(maxsize=4096)
def entry(provider: str, model: str) -> table.Entry | None:
    """Return a model's entry in LiteLLM's table, or None."""
    return next((found for name in _names(provider, model) if (found := table.find(name))), None)


def has_price(given: Wildcards, provider: str, model: str) -> bool:
    """Return true if a model has a price. `given` are the names under `prices`."""
    if pattern_for(given, provider, model) is not None:
        return True
    return any(entry.price is not None for name in _names(provider, model) if (entry := table.find(name)))


def pattern_for(given: Wildcards, provider: str, model: str) -> str | None:
    """Return the entry of `prices` for a model: an exact one, else the one with the most characters around its `*`."""
    names = (f"{provider}/{model}", model)
    exact = [name for name in names if name in given]
    found = exact or [pattern for name in names for pattern, _ in given.taking(name)]
    return max(found, key=len, default=None)


def _names(provider: str, model: str) -> list[str]:
    """List the names that the table may use for a model, best first."""
    base = ":".join(model.split(":")[:2]) if model.startswith("ft:") else model
    facts = FORMATS.get(provider)
    return [f"{provider}/{base}", base] if facts is not None and facts.own_models else [f"{provider}/{base}"]


def _price(given: Prices) -> Price:
    return Price(given.input, given.output, given.cached, given.cache_write, given.reasoning)
