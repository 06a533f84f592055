"""Which of LiteLLM's functions makes a call, for each operation that goes through it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.formats.base import Decoder
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.formats.openai_chat.operation import CHAT
from proxy.providers import litellm
from proxy.providers.base import Call
from proxy.providers.mapping.arguments import arguments


@dataclass(frozen=True, slots=True)
class LiteLLMCall:
    """One operation through LiteLLM. `function` is called with the `arguments` of a call, which are named and
    documented parameters only. `decoder` reads what it gives, as JSON in OpenAI's format; it takes whether the answer
    is guarded."""

    function: Callable[..., Any]
    arguments: Callable[[Call], dict[str, Any]]
    decoder: Callable[[bool], Decoder]


LITELLM_CALLS: Final[Mapping[str, LiteLLMCall]] = {
    CHAT.name: LiteLLMCall(litellm.completion, arguments, OpenAIDecoder),
}
"""By the operation's name."""
