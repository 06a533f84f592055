"""Which of a request's parameters a provider gets, for providers that do not speak OpenAI's format.

Rule: no parameter is without effect in silence. It is mapped, it says what holds anyway, it is bookkeeping that changes
no answer, or it is refused by name (400), which the model's `drop_params: true` turns into leaving it out.

Decisions:
- Null is the same as absent.
- Bookkeeping at OpenAI, left out: `store`, `metadata`, `safety_identifier`, `prompt_cache_key`,
  `prompt_cache_retention`, `prompt_cache_options`, `prediction` (it changes speed alone), `moderation` (OpenAI's report
  beside the answer), `user` where the provider has no such thing.
- A limit below 1 is refused: `max_tokens: -1` is for OpenAI-format servers that take it.
- Values that say what holds anyway, left out: `n: 1`, penalties of 0, an empty `logit_bias`, `stop`, `tools` or
  `functions`, `logprobs: false`, `top_logprobs: 0`, `modalities: ["text"]`, `parallel_tool_calls: true`,
  `verbosity: "medium"`, `service_tier` auto or default, `response_format` text. SDKs and frameworks send these unasked.
- `max_completion_tokens` holds where both it and `max_tokens` are given, as at OpenAI.
- A provider's own parameters go as they are if the dialect lists them (`top_k`, `cache_control`, `safety_settings` …).
- Everything else that the provider lacks is refused: `seed`, `logit_bias`, `n: 2` for Anthropic, unknown names.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.errors import InvalidRequest
from proxy.providers.base import Call

OURS = frozenset({"model", "messages", "stream", "stream_options"})
"""Parameters that the gateway itself sets or maps."""

BOOKKEEPING = frozenset(
    {"store", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prediction", "user"}
    | {"prompt_cache_options", "moderation"}
)

_AS_IT_IS: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True,),
    "verbosity": ("medium",),
    "service_tier": ("auto", "default"),
    "stop": ([], ""),
    "tools": ([],),
    "functions": ([],),
    "response_format": ({"type": "text"},),
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A provider's own parameters: `native` go as they are, `as_it_is` are further values without effect there."""

    provider: str
    native: frozenset[str]
    as_it_is: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is left of a request: `mapped` are OpenAI's for LiteLLM to map, `native` the provider's own."""

    mapped: dict[str, Any]
    native: dict[str, Any]


def chosen(call: Call, dialect: Dialect, supported: Container[str]) -> Parameters:
    """The parameters that go up. `supported` are those of OpenAI's that the model takes. Raises `InvalidRequest`."""
    parameters = Parameters({}, {})
    for name, value in call.body.items():
        if name in OURS or value is None or says_nothing(name, value, dialect):
            continue
        check_limit(name, value)
        if name in supported:
            parameters.mapped[name] = value
        elif name in dialect.native:
            parameters.native[name] = value
        elif name not in BOOKKEEPING:
            lacks(call, dialect.provider, name)
    if "max_completion_tokens" in parameters.mapped:
        parameters.mapped.pop("max_tokens", None)
    return parameters


def check_limit(name: str, value: Any) -> None:
    """Raises `InvalidRequest` for a limit of tokens below 1."""
    if name in ("max_tokens", "max_completion_tokens") and isinstance(value, int) and value < 1:
        text = f"Invalid value for '{name}': integer below minimum value. Expected a value >= 1."
        raise InvalidRequest(text, param=name, code="integer_below_min_value")


def says_nothing(name: str, value: Any, dialect: Dialect | None = None) -> bool:
    """Whether the value is what holds without the parameter."""
    further = dialect.as_it_is.get(name, ()) if dialect is not None else ()
    return value in _AS_IT_IS.get(name, ()) or value in further


def lacks(call: Call, provider: str, name: str) -> None:
    """The provider has nothing like the parameter: raises `InvalidRequest`, unless the model drops such parameters."""
    if call.settings.drop_params:
        return
    raise InvalidRequest(
        f"{provider} has no parameter {name[:100]!r} for this model, or not with this value: leave it out, or have the "
        "operator set `drop_params: true` for the model.",
        param=name[:100],
        code="unsupported_parameter",
    )
