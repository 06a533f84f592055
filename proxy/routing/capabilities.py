"""What a request needs of a target, and what a target lacks of it.

Rule: a target lacks what its own `supports` and `context_window` leave out, or else LiteLLM's table of models. Of a
model that neither knows nothing is said, and it is tried. A prompt is estimated only when its size leaves a doubt: no
text has more tokens than bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies import estimate
from proxy.accounting.pricing.models import entry
from proxy.config.models import Ability
from proxy.config.resolve import ResolvedTarget

_PARTS: Mapping[str, Ability] = {"image_url": "images", "input_audio": "audio", "file": "files"}
_WORDS: Mapping[Ability, str] = {
    "images": "images",
    "audio": "audio",
    "files": "files",
    "tools": "tools",
    "json_schema": "response_format json_schema",
}


@dataclass(slots=True)
class Needs:
    """What a request needs: `abilities`, and room for its prompt, whose JSON is `size` bytes long."""

    body: Mapping[str, Any]
    size: int
    abilities: frozenset[Ability]
    _tokens: int | None = None

    def tokens(self) -> int:
        """The prompt's tokens, estimated."""
        if self._tokens is None:
            self._tokens = estimate.prompt_tokens(self.body)
        return self._tokens


@dataclass(frozen=True, slots=True)
class MissingCapability:
    """Why a target cannot serve a request. `window` is set when only the prompt's length speaks against it."""

    reason: str
    window: bool = False


def needs(body: Mapping[str, Any], size: int, tokens: int | None = None) -> Needs:
    """What a validated request needs. `tokens` are those of its prompt, if they are estimated already."""
    return Needs(body, size, frozenset(_abilities(body)), tokens)


def lack(needs: Needs, place: ResolvedTarget) -> MissingCapability | None:
    """What a target lacks; None if it can serve the request, or nobody knows."""
    known = entry(place.provider_name, place.model)
    abilities = known.abilities if known else None
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


def _abilities(body: Mapping[str, Any]) -> Iterator[Ability]:
    for message in body["messages"]:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if ability := _PARTS.get(part.get("type")):
                yield ability
    if body.get("tools") or body.get("functions"):
        yield "tools"
    if (body.get("response_format") or {}).get("type") == "json_schema":
        yield "json_schema"


def why_none(lacks: Sequence[tuple[ResolvedTarget, MissingCapability]]) -> str:
    """The message for a request that no target can serve."""
    reasons = "; ".join(f"{place.name} {lack.reason}" for place, lack in lacks[:8])
    return f"No target of this model can serve the request: {reasons}. Use another model, or send less."
