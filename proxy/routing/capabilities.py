"""What a request needs of a target, and what a target lacks of it.

Rule: a target lacks what its own `supports` and `context_window` leave out, or else LiteLLM's table of models. Of a
model that neither knows nothing is said, and it is tried. A prompt is estimated only when its size leaves a doubt: no
text has more tokens than bytes.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from policies import estimate
from proxy.accounting.pricing.models import entry
from proxy.config.resolve import ResolvedTarget
from proxy.formats.operation import Operation
from proxy.providers.litellm_calls import LITELLM_CALLS
from proxy.providers.registry import PROVIDERS

_WORDS: Mapping[str, str] = {
    "images": "images",
    "audio": "audio",
    "files": "files",
    "tools": "tools",
    "json_schema": "response_format json_schema",
}


@dataclass(slots=True)
class Needs:
    """What a request needs: its `operation`, `abilities`, and room for its prompt, whose JSON is `size` bytes long."""

    operation: Operation
    body: Mapping[str, Any]
    size: int
    abilities: frozenset[str]
    _tokens: int | None = None

    def tokens(self) -> int:
        """The prompt's tokens, estimated."""
        if self._tokens is None:
            self._tokens = estimate.prompt_tokens(self.body, self.operation.texts)
        return self._tokens


@dataclass(frozen=True, slots=True)
class MissingCapability:
    """Why a target cannot serve a request. `window` is set when only the prompt's length speaks against it."""

    reason: str
    window: bool = False


def needs(operation: Operation, body: Mapping[str, Any], size: int, tokens: int | None = None) -> Needs:
    """What a validated request needs. `tokens` are those of its prompt, if they are estimated already."""
    return Needs(operation, body, size, frozenset(operation.abilities(body)), tokens)


def lack(needs: Needs, place: ResolvedTarget) -> MissingCapability | None:
    """What a target lacks; None if it can serve the request, or nobody knows."""
    if not _serves(place, needs.operation):
        return MissingCapability(f"has no {needs.operation.title}")
    known = entry(place.provider_name, place.model)
    abilities: Set[str] | None = known.abilities if known else None
    if place.target.supports is not None:
        abilities = frozenset(place.target.supports)
    if abilities is not None and (missing := needs.abilities - abilities):
        return MissingCapability(f"takes no {' and no '.join(sorted(_WORDS[ability] for ability in missing))}")
    window = place.target.context_window or (known and known.max_input)
    if window and needs.size > window and needs.tokens() > window:
        return MissingCapability(
            f"takes a prompt of {window} tokens, and this one has about {needs.tokens()}", window=True
        )
    return None


def _serves(place: ResolvedTarget, operation: Operation) -> bool:
    """Whether the target's format, and LiteLLM where the calls go through it, have the operation."""
    native = PROVIDERS.get(place.api)
    by_litellm = native is None or place.settings.engine == "litellm"
    return (native is None or operation.name in native.wires) and (not by_litellm or operation.name in LITELLM_CALLS)


def why_none(lacks: Sequence[tuple[ResolvedTarget, MissingCapability]]) -> str:
    """The message for a request that no target can serve."""
    reasons = "; ".join(f"{place.name} {lack.reason}" for place, lack in lacks[:8])
    return f"No target of this model can serve the request: {reasons}. Use another model, or send less."
