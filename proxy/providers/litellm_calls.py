"""Which of LiteLLM's functions makes a call, for each operation that goes through it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from proxy.formats.base import Decoder
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.formats.openai_chat.operation import CHAT
from proxy.formats.openai_completions import COMPLETIONS
from proxy.formats.openai_embeddings import EMBEDDINGS, EmbeddingsDecoder
from proxy.providers import litellm
from proxy.providers.base import Call
from proxy.providers.mapping.arguments import OPENAI_PROVIDERS, addressed, arguments, common
from proxy.providers.mapping.boundary import mapping
from proxy.providers.mapping.content import copied
from proxy.providers.mapping.parameters import lacks
from proxy.providers.registry import as_chat


@dataclass(frozen=True, slots=True)
class LiteLLMCall:
    """One operation through LiteLLM. `function` is called with the `arguments` of a call, which are named and
    documented parameters only. `decoder` reads what it gives, as JSON in OpenAI's format; it takes whether the answer
    is guarded."""

    function: Callable[..., Any]
    arguments: Callable[[Call], dict[str, Any]]
    decoder: Callable[[bool], Decoder]


_EMBEDDINGS: Final = ("input", "dimensions", "user")
"""The client's parameters that LiteLLM gets. The encoding is ours to make."""


def _embeddings(call: Call) -> dict[str, Any]:
    """The keyword arguments of `litellm.aembedding`. Raises `InvalidRequest` and `UpstreamError`."""
    for name, value in call.body.items():
        if name not in (*_EMBEDDINGS, "model", "encoding_format", "stream") and value is not None:
            lacks(call, f"The provider {call.provider_name!r}", name)
    with mapping(call):
        where = addressed(call)
        named = {name: copied(call.body[name]) for name in _EMBEDDINGS if call.body.get(name) is not None}
        encoding = {"encoding_format": "float"} if where["custom_llm_provider"] in OPENAI_PROVIDERS else {}
        return {**named, **encoding, **where, **common(call)}


LITELLM_CALLS: Final[Mapping[str, LiteLLMCall]] = {
    CHAT.name: LiteLLMCall(litellm.completion, arguments, OpenAIDecoder),
    COMPLETIONS.name: LiteLLMCall(litellm.completion, lambda call: arguments(as_chat(call)), OpenAIDecoder),
    EMBEDDINGS.name: LiteLLMCall(partial(litellm.made, "aembedding"), _embeddings, EmbeddingsDecoder),
}
"""By the operation's name."""
