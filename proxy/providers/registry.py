"""How the gateway speaks each wire format: the builder of its requests and the decoder of its answers.

Rule: this is a provider's one entry beside its facts (`proxy.formats.registry`). The engines look up here what a
provider needs, and compare no names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from proxy.errors import InvalidRequest
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.anthropic.facts import FACTS as ANTHROPIC_FACTS
from proxy.formats.base import Decoder
from proxy.formats.facts import FormatFacts
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.formats.gemini.embeddings import GeminiEmbeddingsDecoder, embeddings_body
from proxy.formats.gemini.facts import FACTS as GEMINI_FACTS
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.formats.openai_chat.facts import FACTS as OPENAI_FACTS
from proxy.formats.openai_chat.operation import CHAT
from proxy.formats.openai_completions import COMPLETIONS, chat_body
from proxy.formats.openai_embeddings import EMBEDDINGS, EmbeddingsDecoder
from proxy.providers.anthropic import AnthropicTools, anthropic_request
from proxy.providers.base import Call
from proxy.providers.gemini import GeminiTools, gemini_post, gemini_request
from proxy.providers.mapping.content import ANTHROPIC, GEMINI, Rules
from proxy.providers.mapping.schemas import Schemas
from proxy.providers.mapping.tools import Provider as Tools
from proxy.providers.openai import openai_request
from proxy.providers.outbound import HttpRequest


@dataclass(frozen=True, slots=True)
class Wire:
    """One operation in one wire format. `request` maps a call and raises `InvalidRequest`. `decoder` takes whether the
    answer is guarded, and the request that it answers."""

    request: Callable[[Call], HttpRequest]
    decoder: Callable[[bool, HttpRequest], Decoder]


@dataclass(frozen=True, slots=True)
class ProviderFormat:
    """One wire format. `wires` are the operations that it has, by their names. `rules` and `tools` are for the mapping
    of messages, tools and schemas, through LiteLLM too; None where the client's own JSON goes up."""

    facts: FormatFacts
    wires: Mapping[str, Wire]
    rules: Rules | None = None
    tools: Callable[[Schemas, str], Tools] | None = None
    litellm_path: str = ""
    """What LiteLLM wants behind the provider's address."""


def as_chat(call: Call) -> Call:
    """The call of a text completion, for a target that only chats. Raises `InvalidRequest`."""
    return replace(call, body=chat_body(call.body), operation=CHAT)


def _chats(wire: Wire) -> dict[str, Wire]:
    """The operations of a provider that only chats."""
    return {CHAT.name: wire, COMPLETIONS.name: Wire(lambda call: wire.request(as_chat(call)), wire.decoder)}


def _gemini_embeddings(call: Call) -> HttpRequest:
    body = embeddings_body(call.model, call.body, drop=call.settings.drop_params)
    return gemini_post(call, "batchEmbedContents", body)


PROVIDERS: Final[Mapping[str, ProviderFormat]] = {
    entry.facts.name: entry
    for entry in (
        ProviderFormat(
            OPENAI_FACTS,
            {
                CHAT.name: Wire(openai_request, lambda guarded, request: OpenAIDecoder(guarded)),
                COMPLETIONS.name: Wire(openai_request, lambda guarded, request: OpenAIDecoder(guarded)),
                EMBEDDINGS.name: Wire(openai_request, lambda guarded, request: EmbeddingsDecoder(guarded)),
            },
        ),
        ProviderFormat(
            ANTHROPIC_FACTS,
            _chats(
                Wire(
                    anthropic_request,
                    lambda guarded, request: AnthropicDecoder(guarded, request.json_tool, request.tool_names),
                )
            ),
            ANTHROPIC,
            AnthropicTools,
        ),
        ProviderFormat(
            GEMINI_FACTS,
            {
                **_chats(
                    Wire(gemini_request, lambda guarded, request: GeminiDecoder(guarded, one_call=request.one_call))
                ),
                EMBEDDINGS.name: Wire(_gemini_embeddings, lambda guarded, request: GeminiEmbeddingsDecoder(guarded)),
            },
            GEMINI,
            GeminiTools,
            litellm_path=GEMINI_FACTS.version,
        ),
    )
}
"""The formats that the native engine speaks, by the value of a provider's `api`."""


def provider_format(call: Call) -> ProviderFormat:
    """The format of a call's provider."""
    return PROVIDERS[call.provider.api or call.provider_name]


def wire(call: Call) -> Wire:
    """How the call's provider has the call's operation. Raises `InvalidRequest` where it has none."""
    found = provider_format(call).wires.get(call.operation.name)
    if found is None:
        text = f"The provider {call.provider_name!r} has no {call.operation.title}: use another model."
        raise InvalidRequest(text, param="model", code="unsupported_request")
    return found
