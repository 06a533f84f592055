"""All that Sluice uses of LiteLLM, and the only module that imports it.

Rule: LiteLLM maps; it decides nothing of ours, logs nothing, and opens no socket: its HTTP clients are replaced by
those of `proxy.providers.clients`. It is imported once, by `load`, because the import takes seconds: off the request
path, and not at all where every target speaks OpenAI's format. Its version is pinned, its modules' names and signatures
are not promised: the contract test lists what is used. (It is imported by name: the type checker would read all of it,
for types that it does not keep.)

What it raises on a client's mistake becomes `InvalidRequest` in our words: its own messages hold class names, advice
for its own users, and at times the whole request.

Before the import the environment is set, because LiteLLM reads it then: no price list, header list or `.env` file is
fetched or read, images are never downloaded, and a stream that repeats itself is not taken for a broken one. Its native
code, which has connections of its own, makes no calls. A limit that each Claude takes stands for one that is not known.
"""

import functools
import importlib
import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from proxy.errors import InvalidRequest
from proxy.providers.mapping.content import copied

Mapped = Literal["anthropic", "gemini"]
"""The providers whose requests LiteLLM maps."""

JSON_TOOL = "json_tool_call"
"""LiteLLM's name for the tool that stands for a JSON schema where a model has no other way."""

DUMMY_TOOL = "dummy_tool"
"""LiteLLM's tool for requests without tools whose history holds calls, which Anthropic refuses."""

PROVIDER_NAMES: Mapping[str, str] = {"anthropic": "Anthropic", "gemini": "Gemini"}

_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
    "LITELLM_RUST": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "DEFAULT_ANTHROPIC_CHAT_MAX_TOKENS": "4096",
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000000",
}
_AWAITED = frozenset(
    {"async_success_handler", "async_failure_handler", "dispatch_success_handlers", "dispatch_failure_handlers"}
    | {"dispatch_attempt_failure_handlers"}
)
_CALLED = frozenset({"success_handler", "failure_handler", "handle_sync_success_callbacks_for_async_calls"})
"""What LiteLLM does for its callbacks at the end of a call, though there are none: prices, copies, hashes."""

_LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Proxy.stdout", "LiteLLM Router")
_LOGGING = "litellm.litellm_core_utils.litellm_logging"
_HTTP = "litellm.llms.custom_httpx.http_handler"
_SDK = "openai.resources.chat.completions.completions"
_MAPS_ERRORS = ("litellm.main", "litellm.litellm_core_utils.streaming_handler")
_GEMINI_TRANSFORMATION = "litellm.llms.vertex_ai.gemini.transformation"
_IMPORTED_LATE = ("openai.resources", "litellm.llms.vertex_ai.context_caching.vertex_ai_context_caching")
"""What a first real call would import: for most of a second, or with warnings."""

_VERTEX = frozenset({"vertex_ai", "vertex_ai_beta"})
"""Providers of Gemini's models among others."""

_TOOL_NAMES = "_anthropic_tool_name_map"
_NO_KEY = "none"
_CREDENTIALS = frozenset({"x-api-key", "authorization"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in OpenAI's terms. The `messages` are changed by the mapping; `native` are the provider's own
    parameters and go as they are; `drop` leaves out values that the model does not take, where LiteLLM can tell."""

    model: str
    messages: list[dict[str, Any]]
    parameters: Mapping[str, Any]
    native: Mapping[str, Any] = field(default_factory=dict)
    drop: bool = False


@dataclass(frozen=True, slots=True)
class AnthropicMapping:
    """Anthropic's request body, the headers that go with it, and the provider's names of tools to the client's, where
    they differ."""

    body: dict[str, Any]
    headers: dict[str, str]
    tool_names: dict[str, str]


@functools.cache
def load() -> ModuleType:
    """LiteLLM, imported and set up at the first call (seconds), from then on at hand."""
    os.environ.update(_ENVIRONMENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of what Python and pydantic deprecate
        module = importlib.import_module("litellm")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)
    settings: dict[str, Any] = {
        "suppress_debug_info": True,
        "set_verbose": False,
        "drop_params": False,
        "modify_params": False,
        "cache": None,
        "num_retries": None,
    }
    for name, value in settings.items():
        setattr(module, name, value)
    for name in ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "input_callback"):
        getattr(module, name).clear()
    _silence()
    _connect(module)
    return module


def _silence() -> None:
    """Have LiteLLM do nothing for callbacks, and raise what failed as it is. Its own mapping of errors searches every
    message with dozens of patterns, for seconds where a provider or a client wrote a long one; the gateway has its
    own (`proxy.providers.litellm_failures`)."""
    logging_class = importlib.import_module(_LOGGING).Logging
    for name in _AWAITED | _CALLED:
        setattr(logging_class, name, _nothing if name in _AWAITED else _done)
    for name in _MAPS_ERRORS:
        part_of_litellm: Any = importlib.import_module(name)
        part_of_litellm.exception_type = _unmapped


async def _nothing(*arguments: Any, **named: Any) -> None:
    pass


def _done(*arguments: Any, **named: Any) -> None:
    pass


def _unmapped(*, original_exception: Exception, **named: Any) -> Exception:
    return original_exception


async def _as_it_is(body: Mapping[str, Any], expected: object) -> dict[str, Any]:
    """The OpenAI SDK holds each value of a body against its types, which takes a tenth of a millisecond for a message.
    All that this changes in a chat completion's is to leave out what was not given."""
    module = importlib.import_module("openai")
    return {name: value for name, value in body.items() if value is not module.omit and value is not module.NOT_GIVEN}


def _connect(module: Any) -> None:
    """Give LiteLLM's HTTP clients, and those of the OpenAI SDK in it, the gateway's connections."""
    clients = importlib.import_module("proxy.providers.clients")
    http: Any = importlib.import_module(_HTTP)
    http.AsyncHTTPHandler.create_client = lambda self, *arguments, **named: clients.asynchronous()
    http.HTTPHandler.create_client = lambda self, *arguments, **named: clients.synchronous()
    module.aclient_session = clients.asynchronous()
    module.client_session = clients.synchronous()
    module.in_memory_llm_clients_cache.flush_cache()
    sdk: Any = importlib.import_module(_SDK)
    sdk.async_maybe_transform = _as_it_is


def warm(apis: Iterable[str]) -> None:
    """Do the first mapping of each of `apis`, which takes longer than all that follow; for `litellm`, which stands for
    calls through it, a first call that goes nowhere. Nothing for `openai`."""
    wanted = set(apis) - {"openai"}
    if not wanted:
        return
    load()
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    parameters = {"tools": [{"type": "function", "function": function}], "max_tokens": 8}
    if "anthropic" in wanted:
        map_anthropic(Asked("claude-sonnet-4-5", copied(messages), parameters), {}, None)
    if "gemini" in wanted:
        map_gemini(Asked("gemini-2.5-flash", copied(messages), parameters))
    if "litellm" in wanted:
        _warm_calls(messages)


def _warm_calls(messages: list[dict[str, Any]]) -> None:
    named = {"custom_llm_provider": "openai", "api_key": _NO_KEY, "stream": True, "mock_response": "c"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _IMPORTED_LATE:
            importlib.import_module(name)
        for chunk in load().completion(model="gpt-4o-mini", messages=copied(messages), **named):
            chunk.model_dump(exclude_none=True, warnings=False)


def knows(api: Mapped, model: str) -> bool:
    """Whether the model is in LiteLLM's table: for others its answers about capabilities are guesses."""
    table = load().model_cost
    return f"{api}/{model}" in table or model in table


def supported(api: Mapped, model: str) -> frozenset[str]:
    """OpenAI's parameters that the model takes, as far as LiteLLM knows."""
    return frozenset(_config(api).get_supported_openai_params(model=model)) - {"extra_headers", "stream"}


@functools.lru_cache(maxsize=256)
def inlines(api: Mapped, model: str) -> bool:
    """Whether the mapping of an answer's schema puts definitions in the place of the references to them."""
    schema = {"type": "object", "properties": {"p": {"$ref": "#/$defs/d"}}, "$defs": {"d": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    return "$ref" not in str(_optional(api, Asked(model, [], {"response_format": form})))


def map_anthropic(asked: Asked, headers: Mapping[str, str], key: str | None) -> AnthropicMapping:
    """The request as Anthropic's; `headers` are the client's that go up. Raises `InvalidRequest`."""
    config = _config("anthropic")
    optional = {**_optional("anthropic", asked), **copied(asked.native)}
    ours: dict[str, Any] = {"drop_params": asked.drop}
    named = {"model": asked.model, "messages": asked.messages, "optional_params": optional}
    try:
        # A key is always given, lest LiteLLM look for one in the environment.
        up = config.validate_environment(headers=dict(headers), litellm_params={}, api_key=key or _NO_KEY, **named)
        body = config.transform_request(litellm_params=ours, headers=up, **named)
    except Exception as error:
        raise _untranslatable("anthropic", asked, error) from None
    if key is None:
        up = {name: value for name, value in up.items() if name.lower() not in _CREDENTIALS}
    if "anthropic-beta" in up:
        up["anthropic-beta"] = ",".join(sorted({beta.strip() for beta in up["anthropic-beta"].split(",")}))
    return AnthropicMapping(body, up, ours.get(_TOOL_NAMES) or {})


def map_gemini(asked: Asked) -> dict[str, Any]:
    """The request as the body of Gemini's generateContent. Raises `InvalidRequest`."""
    optional = {**_optional("gemini", asked), **copied(asked.native)}
    cached_content = optional.pop("cached_content", None)
    try:
        body: Mapping[str, Any] = importlib.import_module(_GEMINI_TRANSFORMATION).transform_request_body(
            messages=asked.messages,
            model=asked.model,
            optional_params=optional,
            custom_llm_provider="gemini",
            litellm_params={},
            cached_content=cached_content,
        )
    except Exception as error:
        raise _untranslatable("gemini", asked, error) from None
    return dict(body)


async def completion(**named: Any) -> Any:
    """`litellm.acompletion`: a stream of chunks, or a whole answer where `stream` is false. The caller passes named,
    documented parameters only: anything else in a client's body could steer it."""
    # Tools are the client's to run: to look for tools of its own, LiteLLM would import what is not installed.
    return await load().acompletion(**named, _skip_mcp_handler=True)


async def made(function: str, **named: Any) -> Any:
    """The answer of one of LiteLLM's asynchronous functions. As for `completion`, only named, documented parameters may
    be passed."""
    return await getattr(load(), function)(**named)


def is_provider(name: str) -> bool:
    """Whether LiteLLM has a provider of this name."""
    return name in {getattr(p, "value", p) for p in load().provider_list}


def keeps_ends(provider: str, model: str) -> bool:
    """Whether a stream of LiteLLM's ends only where the provider's does. It takes each piece of Gemini's for the last
    one."""
    return provider != "gemini" and not (provider in _VERTEX and "gemini" in model)


def _config(api: Mapped) -> Any:
    return load().AnthropicConfig() if api == "anthropic" else load().GoogleAIStudioGeminiConfig()


def _optional(api: Mapped, asked: Asked) -> dict[str, Any]:
    """The parameters in the provider's terms. Raises `InvalidRequest` naming the one that cannot be mapped."""
    try:
        return _mapped(api, asked, asked.parameters)
    except Exception:
        culprit = next((name for name in asked.parameters if not _maps_alone(api, asked, name)), "tools")
    raise _refusal(api, culprit)


def _mapped(api: Mapped, asked: Asked, parameters: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = _config(api).map_openai_params(
        non_default_params=copied(parameters), optional_params={}, model=asked.model, drop_params=asked.drop
    )
    return result


def _maps_alone(api: Mapped, asked: Asked, name: str) -> bool:
    try:
        _mapped(api, asked, {name: asked.parameters[name]})
    except Exception:
        return False
    return True


def _untranslatable(api: Mapped, asked: Asked, error: Exception) -> InvalidRequest:
    """What to tell the client after the mapping of the whole request failed. LiteLLM's message is only searched for the
    names of parameters."""
    named = next((name for name in asked.native if name in str(error)[:500]), None)
    if named is not None and type(error).__name__ in ("UnsupportedParamsError", "BadRequestError"):
        return _refusal(api, named)
    return InvalidRequest(
        f"The messages cannot be translated for {PROVIDER_NAMES[api]}: check their roles, content parts and tool calls "
        "against OpenAI's chat format.",
        param="messages",
    )


def _refusal(api: Mapped, name: str) -> InvalidRequest:
    return InvalidRequest(
        f"{PROVIDER_NAMES[api]} does not take this value of {name!r} for this model: change it, or leave it out.",
        param=name,
        code="unsupported_value",
    )
