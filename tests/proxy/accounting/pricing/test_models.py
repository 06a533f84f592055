"""Facts about a model come from the file's prices first, then from LiteLLM's table."""

import pytest

from policies.base import Target
from policies.prices import Price
from proxy.accounting.pricing.models import has_price, pattern_for, target
from proxy.config.models import Api, Prices
from proxy.config.wildcards import Wildcards

NONE: dict[str, Prices] = {}


@pytest.mark.parametrize(
    ("provider", "api", "model", "expected"),
    [
        ("openai", "openai", "gpt-4o-mini", ("max_completion_tokens", False, 16_384, (0.15, 0.6))),
        ("openai", "openai", "o3-mini", ("max_completion_tokens", True, 100_000, (1.1, 4.4))),
        ("openai", "openai", "unheard-of", ("max_completion_tokens", True, None, None)),
        ("anthropic", "anthropic", "claude-sonnet-4-5", ("max_tokens", False, 64_000, (3, 15))),
        ("anthropic", "anthropic", "unheard-of", ("max_tokens", False, None, None)),
        ("gemini", "gemini", "gemini-2.5-pro", ("max_tokens", True, 65_536, (1.25, 10))),
        ("local", "openai", "gpt-4o-mini", ("max_tokens", True, None, None)),
        ("azure", "litellm", "gpt-4o-mini", ("max_tokens", False, 16_384, (0.15, 0.6))),
    ],
)
def test_the_table(
    provider: str, api: Api, model: str, expected: tuple[str, bool, int | None, tuple[float, float] | None]
) -> None:
    found = target(NONE, provider, api, model)
    price = None if found.price is None else (pytest.approx(found.price.input), pytest.approx(found.price.output))
    assert (found.limit, found.reasons, found.max_output, price) == expected
    assert has_price(Wildcards(()), provider, model) == (price is not None)


def test_long_prompts_have_a_price_of_their_own() -> None:
    price = target(NONE, "gemini", "gemini", "gemini-2.5-pro").price
    assert price is not None
    assert price.at(200_001).input == pytest.approx(2.5)
    assert price.at(200_000).input == pytest.approx(1.25)
    assert price.at(200_001).cached == pytest.approx(0.25)


def test_a_fine_tuned_model_costs_what_its_kind_does() -> None:
    assert target(NONE, "openai", "openai", "ft:gpt-4o-mini-2024-07-18:acme::abc").price is not None


def test_the_files_prices_go_first() -> None:
    given = {"gpt-4o-mini": Prices(input=1, output=2, cached=0.5, cache_write=3, reasoning=4)}
    found = target(given, "openai", "openai", "gpt-4o-mini")
    assert found == Target("max_completion_tokens", False, 16_384, Price(1, 2, 0.5, 3, 4))


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["x-1"], "x-1"),
        (["local/x-1", "x-*"], "local/x-1"),
        (["x-*", "*"], "x-*"),
        (["*", "local/*"], "local/*"),
        (["x-1", "x-1*"], "x-1"),
        (["y", "other/x-1", "x-11*"], None),
    ],
)
def test_the_closest_entry(names: list[str], best: str | None) -> None:
    assert pattern_for(Wildcards(names), "local", "x-1") == best
