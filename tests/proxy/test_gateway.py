"""The gateway's preparations before a request needs them."""

import pytest

from proxy.accounting import tokenizers
from proxy.app import create_gateway
from proxy.config.load import parse

pytestmark = pytest.mark.anyio

CONFIG = """
providers: {openai: {api_key: key}, anthropic: {api_key: key}}
models:
  new: {target: openai/gpt-4o-mini}
  other: {target: anthropic/claude-sonnet-4-5}
  free: {target: openai/gpt-4o, policies: []}
policies: {token_cap/short: {max_tokens: 5}, cost_cap/cheap: {max_usd: 1}}
"""


async def test_the_tokenizers_of_capped_models_are_loaded_before_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(tokenizers, "load", loaded.append)
    gateway = create_gateway(parse(CONFIG + "default_policies: [token_cap/short]\n"))
    await gateway.warm()
    assert loaded == ["o200k_base", "cl100k_base"]
    await gateway.ready("o200k_base")
    assert len(loaded) == 2


async def test_without_a_token_cap_none_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "load", lambda basis: pytest.fail("loaded"))
    await create_gateway(parse(CONFIG + "default_policies: [cost_cap/cheap]\n")).warm()
