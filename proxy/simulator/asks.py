"""The client's request in neutral terms, whatever provider's format it has. An answer is chosen and shaped by it.

Formats read a body into an `Ask` or raise `Refused`. No other code looks into a provider's request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Provider: TypeAlias = Literal["openai", "anthropic", "gemini"]


class Refused(Exception):
    """A request that the real provider would reject: HTTP `status` and a message, in the provider's words where known.

    `kind` is the error's type if the status does not imply it. `param` is the wrong field (OpenAI reports it).
    """

    def __init__(self, status: int, message: str, *, kind: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that the request offers, with the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """The request in neutral terms.

    `prompt` is the last user text, and `prompt_tokens` counts the whole prompt. `tool_results` are those of the last
    turn, empty if it has none. `tool_choice` is "auto", "none" or "required", or a tool's name with `forced` set.
    `dimensions` and `base64` are for embeddings, whose inputs are the `choices`. `schema` None means that prose is
    wanted. An empty schema means any JSON object.
    """

    provider: Provider
    model: str
    stream: bool
    prompt: str = ""
    prompt_tokens: int = 0
    choices: int = 1
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    forced: bool = False
    parallel: bool = True
    tool_results: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    include_usage: bool = True
    thinks: bool = False
    logprobs: bool = False
    dimensions: int = 0
    base64: bool = False
    echo: str = ""
