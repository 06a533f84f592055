"""Defaults of a provider's entry."""

import pytest

from proxy.config.models import Config, Model, Provider
from proxy.config.providers import api_of, apis_in_use, complete


@pytest.mark.parametrize(
    ("name", "provider", "api", "base_url"),
    [
        ("openai", Provider(), "openai", "https://api.openai.com/v1"),
        ("anthropic", Provider(), "anthropic", "https://api.anthropic.com"),
        ("gemini", Provider(), "gemini", "https://generativelanguage.googleapis.com"),
        ("openai", Provider(base_url="http://127.0.0.1:9/v1"), "openai", "http://127.0.0.1:9/v1"),
        ("second", Provider(api="anthropic"), "anthropic", "https://api.anthropic.com"),
        ("openai", Provider(api="litellm"), "litellm", None),
    ],
)
def test_api_and_address_follow_from_name_and_api(
    name: str, provider: Provider, api: str, base_url: str | None
) -> None:
    full = complete(name, provider)
    assert (full.api, full.base_url) == (api, base_url)
    assert api_of(name, provider) == api


def test_apis_in_use_are_those_of_the_models_targets() -> None:
    config = Config(
        providers={"openai": Provider(), "gemini": Provider(), "x": Provider(api="litellm")},
        models={"a": Model(target="openai/a"), "b": Model(target="x/azure/b")},
    )
    assert apis_in_use(config) == {"openai", "litellm"}


def test_a_model_that_goes_through_litellm_uses_it_whatever_its_provider() -> None:
    model = Model(target="anthropic/a", engine="litellm")
    assert apis_in_use(Config(providers={"anthropic": Provider()}, models={"a": model})) == {"litellm"}
