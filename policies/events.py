"""The events that flow from a provider's answer through the policies to the client.

Nothing else flows. A codec turns provider bytes into events, a policy maps events to events, and an encoder turns them
into OpenAI chunks. Text that a policy must see is only in `Text` and `ToolCall`. `Attachment` is known structure, and
`Opaque` is unknown structure. Codecs leave `Opaque` out if the chain is guarded, because it could contain a copy of the
text.

Events are values: they never change. Only the type checker enforces `frozen`. At run time it would triple the cost of
making an event, and one is made for each chunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, dataclass_transform

_T = TypeVar("_T")

Channel: TypeAlias = Literal["content", "reasoning", "refusal"]
"""The text fields of a choice. For a policy, each is one text, however it is cut into chunks."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
NATURAL_REASONS: frozenset[str] = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons after which a policy may release held text. With any other reason, the answer was cut."""

EndKind: TypeAlias = Literal["natural", "length", "death", "cancel", "timeout"]


@dataclass_transform(frozen_default=True)
def event(cls: type[_T]) -> type[_T]:
    """Make a slotted dataclass that the type checker treats as frozen."""
    return dataclass(slots=True)(cls)


@event
class Text:
    """A piece of one text channel of one choice. It may be empty."""

    choice: int
    channel: Channel
    text: str


@event
class ToolCall:
    """A piece of a tool call for the client.

    `index` counts the calls of a choice from 0. `id` and `name` come once, with the first piece. `arguments` is the
    next piece of the arguments' JSON text (free text for `kind` "custom"). `kind` "function_call" is OpenAI's legacy
    field. `extra` holds further members of the call object in LiteLLM's spelling (`provider_specific_fields`).
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
    """A structured delta field that Sluice knows: see `ATTACHMENTS`.

    `value` has the form that OpenAI clients (or LiteLLM's) expect there. List-valued attachments are pieces, which the
    client appends.
    """

    choice: int
    field: str
    value: Any


ATTACHMENTS: frozenset[str] = frozenset({"annotations", "images", "thinking_blocks", "provider_specific_fields"})


@event
class Opaque:
    """Members of a provider's chunk that Sluice does not know, kept for the client.

    `place` tells where they were: in the chunk itself (`choice` is None), in a choice, or in a choice's delta. Only
    chains that are not guarded get them.
    """

    choice: int | None
    place: Literal["chunk", "choice", "delta"]
    fields: Mapping[str, Any]


@event
class Usage:
    """Token counts of the answer so far, in OpenAI's meaning. A later one replaces an earlier one.

    `prompt` includes `cached` and `cache_write` tokens, `completion` includes `reasoning` tokens. `details` is the
    usage object for the client (OpenAI's spelling, with the provider's further members), None if there are only these
    numbers.
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
    """The end of a choice. Nothing follows for it.

    `by` names the policy that ended it, if one did. `whole` are the channels whose text is complete although the answer
    was cut. It is the provider's own text about the cut.
    """

    choice: int
    reason: FinishReason
    by: str | None = None
    whole: tuple[Channel, ...] = ()


@event
class End:
    """The end of the answer, by itself (`natural`) or by a cut. It is the last event of a chain."""

    kind: EndKind


Event: TypeAlias = Text | ToolCall | Attachment | Opaque | Usage | Tick | Finish | End


@event
class Note:
    """An action of a policy, for traces and metrics.

    It never holds message text. `offset` and `end` are places in its text, in characters from its start.
    """

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
    """A policy's order to end one choice properly.

    The client sees `policy` as `x_sluice.stopped_by`. `tokens` counts the choice's answer without its reasoning, if the
    policy counted it exactly.
    """

    choice: int
    reason: FinishReason
    policy: str
    tokens: int | None = None


@event
class Reject:
    """A policy's verdict that this attempt is unusable.

    It is allowed only while nothing of the attempt was sent. The driver retries, up to `attempts` in all, and then
    fails.
    """

    policy: str
    message: str
    attempts: int = 1


@event
class Pause:
    """A pause in a policy's work on an event. The policy continues when asked for its next verdict."""


Verdict: TypeAlias = Event | Note | Stop | Reject | Pause
