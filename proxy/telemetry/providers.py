"""What OpenTelemetry calls a provider, and whether a provider may see a trace's context."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from proxy.formats.registry import FORMATS
from proxy.providers.base import Call

WELL_KNOWN: Mapping[str, str] = {
    **{facts.name: facts.telemetry for facts in FORMATS.values() if facts.telemetry},
    "vertex_ai": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "mistral": "mistral_ai",
    "groq": "groq",
    "deepseek": "deepseek",
    "cohere": "cohere",
    "xai": "x_ai",
    "perplexity": "perplexity",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""Names of providers, as LiteLLM and most configurations spell them, to `gen_ai.provider.name`."""


def described(api: str, provider: str, model: str) -> tuple[str, str]:
    """The `gen_ai.provider.name` of a configured provider and the `gen_ai.request.model` of a model there. For `api:
    litellm` the model begins with LiteLLM's name of the provider."""
    if api == "litellm" and "/" in model:
        named, _, rest = model.partition("/")
        return WELL_KNOWN.get(named, named), rest
    if not FORMATS[api].shared:
        return FORMATS[api].telemetry, model
    return WELL_KNOWN.get(provider, provider), model


def may_see_context(call: Call) -> bool:
    """Whether the trace's context goes up with a call: as its provider says, else only where it stays at home."""
    told = call.provider.trace_context
    return _at_home(call.provider.base_url or "") if told is None else told


@lru_cache(maxsize=256)
def _at_home(url: str) -> bool:
    """Whether an address is on this machine or a private network: loopback, private, or a name without a dot."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return bool(host) and "." not in host
