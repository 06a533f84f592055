"""What a provider's entry means where it says nothing: its wire format and its address. The one place that knows.

Rule: addresses are as in the provider's own SDK, without a closing slash.
"""

from collections.abc import Mapping

from proxy.config.models import Api, Config, Provider

BASE_URLS: Mapping[Api, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}

NAMED: Mapping[str, Api] = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini"}
"""Providers whose name says their wire format, and for OpenAI's the address too."""


def complete(name: str, provider: Provider) -> Provider:
    """The provider with `api` and `base_url` filled in from its name."""
    api = api_of(name, provider)
    base_url = provider.base_url or BASE_URLS.get(api)
    return provider.model_copy(update={"api": api, "base_url": base_url})


def api_of(name: str, provider: Provider) -> Api:
    """The wire format of a provider. Raises KeyError for one that was not loaded and says nothing."""
    return provider.api or NAMED[name]


def apis_in_use(config: Config) -> frozenset[Api]:
    """The wire formats that some model's target speaks."""
    names = {model.target.partition("/")[0] for model in config.models.values()}
    return frozenset(api_of(name, config.providers[name]) for name in names)
