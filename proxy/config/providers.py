"""What a provider's entry means where it says nothing: its wire format and its address. The one place that knows.

Rule: addresses are as in the provider's own SDK, without a closing slash.
"""

from collections.abc import Mapping

from proxy.config.models import Api, Config, Model, Provider, Target

BASE_URLS: Mapping[Api, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}

NAMED: Mapping[str, Api] = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini"}
"""Providers whose name says their wire format, and for OpenAI's the address too."""


LITELLM_OPTIONS = frozenset(
    {"api_base", "api_version", "custom_llm_provider", "organization", "deployment_id", "base_model"}
    | {"azure_ad_token", "tenant_id", "client_id", "client_secret", "azure_scope"}
    | {"aws_region_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_session_name"}
    | {"aws_profile_name", "aws_role_name", "aws_web_identity_token", "aws_bedrock_runtime_endpoint"}
    | {"vertex_project", "vertex_location", "vertex_credentials"}
    | {"project_id", "space_id", "zen_api_key", "region_name"}
)
"""What the `options` of a provider with `api: litellm` may hold."""


def complete(name: str, provider: Provider) -> Provider:
    """The provider with `api` and `base_url` filled in from its name."""
    api = api_of(name, provider)
    base_url = provider.base_url or BASE_URLS.get(api)
    return provider.model_copy(update={"api": api, "base_url": base_url})


def api_of(name: str, provider: Provider) -> Api:
    """The wire format of a provider. Raises KeyError for one that was not loaded and says nothing."""
    return provider.api or NAMED[name]


def apis_in_use(config: Config) -> frozenset[Api]:
    """The wire formats that some model's target speaks; `litellm` for those that go through it too."""
    models = config.models.values()
    return frozenset(_way(config, model, target) for model in models for target in model.places)


def _way(config: Config, model: Model, target: Target) -> Api:
    name = target.target.partition("/")[0]
    return "litellm" if model.engine == "litellm" else api_of(name, config.providers[name])
