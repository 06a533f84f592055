"""What `litellm.acompletion` is called with.

Rule: named, documented parameters only, each listed here. A client's body is never spread into the call: a body with
`api_base` or `mock_response` would steer it, and send our key where the client likes. The same holds for the options of
a provider's configuration.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.config.providers import LITELLM_OPTIONS
from proxy.errors import GatewayError, InvalidRequest, UpstreamError
from proxy.providers import litellm
from proxy.providers.base import Call
from proxy.providers.mapping.boundary import mapping
from proxy.providers.mapping.content import copied
from proxy.providers.mapping.messages import prepared
from proxy.providers.mapping.parameters import BOOKKEEPING, OURS, check_limit, lacks, says_nothing
from proxy.providers.mapping.schemas import Schemas
from proxy.providers.mapping.tickets import Tickets
from proxy.providers.mapping.tools import prepared_tools
from proxy.providers.outbound import client_headers, key, streams
from proxy.providers.registry import PROVIDERS

CHAT_PARAMETERS = frozenset(
    {"temperature", "top_p", "top_k", "n", "stop", "max_tokens", "max_completion_tokens", "modalities", "audio", "seed"}
    | {"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "user", "response_format"}
    | {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "reasoning_effort", "thinking"}
    | {"verbosity", "service_tier", "web_search_options"}
)
"""The client's parameters that LiteLLM gets."""

OPENAI_PARAMETERS = frozenset({"store", "safety_identifier", "prompt_cache_key", "prediction"})
"""Further ones, for OpenAI and Azure alone."""

_NO_KEY = "none"
OPENAI_PROVIDERS = frozenset({"openai", "azure"})


def arguments(call: Call) -> dict[str, Any]:
    """The keyword arguments of the call. Raises `InvalidRequest`, or `UpstreamError` for a provider that LiteLLM does
    not know."""
    with mapping(call):
        return _arguments(call)


def _several(call: Call) -> bool:
    """Whether the client wants several choices. LiteLLM's streams tell the end of one choice alone, so such an answer
    is asked for whole."""
    wanted = call.body.get("n")
    return isinstance(wanted, int) and wanted > 1


def _arguments(call: Call) -> dict[str, Any]:
    api = call.provider.api or call.provider_name
    where = addressed(call)
    provider = where["custom_llm_provider"]
    stream = streams(call) and not _several(call)
    usage = {"stream_options": {"include_usage": True}} if stream and call.provider.include_usage else {}
    return {
        **_parameters(call, api, provider),
        **where,
        **usage,
        **common(call),
        "messages": _messages(call, api),
        "stream": stream,
    }


def addressed(call: Call) -> dict[str, Any]:
    """The provider, its address and our credentials. Raises `UpstreamError` for a provider that LiteLLM does not
    know."""
    where = _where(call, call.provider.api or call.provider_name)
    provider = where["custom_llm_provider"]
    if not litellm.is_provider(provider):
        raise UpstreamError(
            f"LiteLLM knows no provider {provider!r}: set options.custom_llm_provider of {call.provider_name!r}.",
            code="unknown_provider",
        )
    return where


def common(call: Call) -> dict[str, Any]:
    """The arguments that every operation has."""
    headers = client_headers(call)
    return {
        **({"extra_headers": headers} if headers else {}),
        "model": call.model,
        "timeout": call.timeouts.total,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": call.settings.drop_params,
    }


def _where(call: Call, api: str) -> dict[str, Any]:
    """The provider, its address and our credentials."""
    if api == "litellm":
        options = _options(call)
        secret = key(call)
        base = {"api_base": call.provider.base_url} if call.provider.base_url else {}
        return {
            "custom_llm_provider": call.provider_name,
            **base,
            **({"api_key": secret} if secret else {}),
            **options,
        }
    # A key and an address are always given, lest LiteLLM look for them in the environment.
    base_url = (call.provider.base_url or "").rstrip("/")
    return {
        "custom_llm_provider": api,
        "api_base": f"{base_url}{PROVIDERS[api].litellm_path}",
        "api_key": key(call) or _NO_KEY,
    }


def _options(call: Call) -> Mapping[str, Any]:
    unknown = sorted(call.provider.options.keys() - LITELLM_OPTIONS)
    if unknown:
        raise GatewayError(
            f"The provider {call.provider_name!r} has options that this gateway does not pass on: remove "
            f"{', '.join(unknown)}."
        )
    return call.provider.options


def _parameters(call: Call, api: str, provider: str) -> dict[str, Any]:
    wanted = CHAT_PARAMETERS | OPENAI_PARAMETERS if provider in OPENAI_PROVIDERS else CHAT_PARAMETERS
    named: dict[str, Any] = {}
    for name, value in call.body.items():
        if name in OURS or value is None or says_nothing(name, value):
            continue
        check_limit(name, value)
        if name in wanted:
            named[name] = value
        elif name not in BOOKKEEPING:
            lacks(call, f"The provider {call.provider_name!r}", name)
    schemas = Schemas(call.work)
    native = PROVIDERS.get(api)
    if native is not None and native.tools is not None:
        return prepared_tools(named, native.tools(schemas, call.model))
    if provider not in OPENAI_PROVIDERS:
        _check_schemas(named, schemas)
    return {name: copied(value) for name, value in named.items()}


def _check_schemas(named: Mapping[str, Any], schemas: Schemas) -> None:
    """Count what the schemas would be if LiteLLM inlined their references, as it does for many providers. Raises
    `OverBudget`."""
    tools = named.get("tools")
    for i, tool in enumerate(tools if isinstance(tools, list) else ()):
        _check_schema(tool, ("function", "parameters"), f"tools[{i}]", schemas)
    functions = named.get("functions")
    for i, function in enumerate(functions if isinstance(functions, list) else ()):
        _check_schema(function, ("parameters",), f"functions[{i}]", schemas)
    _check_schema(named.get("response_format"), ("json_schema", "schema"), "response_format", schemas)


def _check_schema(value: Any, way: Sequence[str], where: str, schemas: Schemas) -> None:
    for name in way:
        value = value.get(name) if isinstance(value, Mapping) else None
        where = f"{where}.{name}"
    if isinstance(value, Mapping):
        schemas.for_gemini(value, where)


def _messages(call: Call, api: str) -> list[dict[str, Any]]:
    messages = call.body.get("messages")
    native = PROVIDERS.get(api)
    if native is not None and native.rules is not None:
        return prepared(messages, native.rules, Tickets(used=False), call.work)
    if not isinstance(messages, list | tuple) or not all(isinstance(message, Mapping) for message in messages):
        raise InvalidRequest("messages must be a list of objects: send the conversation there.", param="messages")
    return [dict(copied(message)) for message in messages]
