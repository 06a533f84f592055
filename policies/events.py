"""The vocabulary: all that flows from a provider's answer through the policies to the client.

Rule: nothing else flows. A codec turns provider bytes into these, a policy maps these to these, an encoder turns them
into OpenAI chunks. Text that a policy must see is in `Text` or `ToolCall`, nowhere else; `Attachment` is structure that
we know, `Opaque` what we don't (codecs leave it out when the chain is guarded, because it could carry a copy of the
text).

Events are values: never changed after they were made. (`frozen` is enforced by the type checker alone; at run time it
would triple the cost of making one, and one is made for each chunk.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, dataclass_transform

_T = TypeVar("_T")

Channel: TypeAlias = Literal["content", "reasoning", "refusal"]
"""The text fields of a choice. Each is one text of its own for a policy, whatever the chunks."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
NATURAL_REASONS: frozenset[str] = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons after which a policy may release what it holds; with any other the answer was cut."""

EndKind: TypeAlias = Literal["natural", "length", "death", "cancel", "timeout"]


@dataclass_transform(frozen_default=True)
def event(cls: type[_T]) -> type[_T]:
    """A slotted dataclass that the type checker holds to be frozen."""
    return dataclass(slots=True)(cls)


@event
class Text:
    """A piece of one text channel of one choice. May be empty."""

    choice: int
    channel: Channel
    text: str


@event
class ToolCall:
    """A piece of a tool call that the client is to run.

    `index` counts the calls of a choice from 0. `id` and `name` come once, with the first piece; `arguments` is the
    next piece of the JSON text of the arguments (free text for `kind` "custom"). `kind` "function_call" is OpenAI's
    legacy field. `extra` holds further members of the call object in LiteLLM's spelling (`provider_specific_fields`).
    """

    choice: int
    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    kind: Literal["function", "custom", "function_call"] = "function"
    extra: Mapping[str, Any] | None = None


@event
class Attachment:
    """A structured delta field that Sluice knows: see `ATTACHMENTS`. `value` is what OpenAI clients (or LiteLLM's)
    expect there.

    List-valued attachments are pieces: the client appends them.
    """

    choice: int
    field: str
    value: Any


ATTACHMENTS: frozenset[str] = frozenset({"annotations", "images", "thinking_blocks", "provider_specific_fields"})


@event
class Opaque:
    """Members of a provider's chunk that Sluice does not know, kept for the client.

    `place` says where they stood: in the chunk itself (`choice` is None), in a choice, or in a choice's delta.
    Only made for chains that are not guarded.
    """

    choice: int | None
    place: Literal["chunk", "choice", "delta"]
    fields: Mapping[str, Any]


@event
class Usage:
    """Token counts of the answer so far, in OpenAI's meaning; a later one replaces an earlier one.

    `prompt` includes `cached` and `cache_write` tokens, `completion` includes `reasoning` tokens. `details` is the
    usage object as the client should get it (OpenAI's spelling, with the provider's further members), None when these
    numbers are all there is.
    """

    prompt: int
    completion: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    details: Mapping[str, Any] | None = None


@event
class Tick:
    """Time has passed without an event. `now` is the chain's clock in seconds."""

    now: float


@event
class Finish:
    """A choice is over. Nothing follows for it.

    `by` names the policy that ended it, if one did. `whole` are the channels whose text is complete although the answer
    was cut: the provider's own words about the cut.
    """

    choice: int
    reason: FinishReason
    by: str | None = None
    whole: tuple[Channel, ...] = ()


@event
class End:
    """The answer is over, by itself (`natural`) or by a cut. The last event a chain is fed."""

    kind: EndKind


Event: TypeAlias = Text | ToolCall | Attachment | Opaque | Usage | Tick | Finish | End


@event
class Note:
    """What a policy did, for traces and metrics. Never holds message text: `offset` and `end` are places in its text,
    in characters from its start."""

    policy: str
    action: str
    rule: str | None = None
    choice: int | None = None
    channel: str | None = None
    count: int = 1
    offset: int | None = None
    end: int | None = None


@event
class Stop:
    """A policy's order to end one choice well-formed; `policy` is told to the client as `x_sluice.stopped_by`. `tokens`
    are those of the choice's answer without its thoughts, where the policy counted them exactly."""

    choice: int
    reason: FinishReason
    policy: str
    tokens: int | None = None


@event
class Reject:
    """A policy's verdict that this attempt is unusable. Legal only while nothing of it was sent: the driver tries
    again, up to `attempts` in all, and then fails."""

    policy: str
    message: str
    attempts: int = 1


@event
class Pause:
    """A policy's word that it has worked for a while on an event and will go on when asked for its next verdict."""


Verdict: TypeAlias = Event | Note | Stop | Reject | Pause
