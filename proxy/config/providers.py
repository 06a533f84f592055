"""Complete a provider's entry where it says nothing: its wire format and its address.

Rule: addresses are as in the provider's own SDK, without a closing slash.
"""

from proxy.config.models import Api, Config, Model, Provider, Target
from proxy.formats.registry import FORMATS, NAMED

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
    base_url = provider.base_url or FORMATS[api].base_url
    return provider.model_copy(update={"api": api, "base_url": base_url})


def api_of(name: str, provider: Provider) -> Api:
    """The wire format of a provider. Raises KeyError for one that was not loaded and says nothing."""
    if provider.api is None and name not in NAMED:
        raise KeyError(name)
    return provider.api or name


def apis_in_use(config: Config) -> frozenset[Api]:
    """The wire formats that some model's target speaks; `litellm` for those that go through it too."""
    models = config.models.values()
    return frozenset(_way(config, model, target) for model in models for target in model.places)


def _way(config: Config, model: Model, target: Target) -> Api:
    name = target.target.partition("/")[0]
    return "litellm" if model.engine == "litellm" else api_of(name, config.providers[name])
