"""What every provider codec is. Codecs are pure: server-sent events in, policy events out; no sockets, clocks or logs.

Rule: a decoder never raises on what a provider sends. What it does not know it keeps (`Opaque`) or skips; what is
broken becomes a `DecodeError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from policies.events import Event, Text
from proxy.errors import UpstreamError


@dataclass(frozen=True, slots=True)
class DecodeError:
    """The provider reported an error, or sent what cannot be read: the answer ends here, unnaturally.

    `status` is the HTTP status that this error would have had at the start (429, 529, 500 …); it decides retries.
    `message` is cut to 500 characters; `kind` is the error's type or code. `quoted`: they are the provider's, not ours.
    `error` is what the client gets for a quoted fault; it is made where the call is known.
    """

    message: str
    status: int = 502
    kind: str | None = None
    quoted: bool = field(default=False, compare=False)
    error: UpstreamError | None = field(default=None, compare=False)


Decoded: TypeAlias = Event | DecodeError


@dataclass(slots=True)
class Meta:
    """What a provider says of its answer as a whole. Filled by the decoder as it learns it."""

    id: str | None = None
    model: str | None = None
    created: int | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None


class Decoder(Protocol):
    """Turns one answer's events into policy events. One object for each answer; after a `DecodeError` or `End` it gives
    nothing more."""

    meta: Meta

    def decode(self, event: str | None, data: bytes) -> Sequence[Decoded]:
        """One server-sent event: its `event:` name (None if none) and its data."""

    def more(self, like: Text, text: str, counts: dict[str, Any] | None) -> Sequence[Decoded]:
        """An event that differs from the last one in its text and in its token counts alone: they are `text` and
        `counts` (None if it has none). That one gave `like`, and perhaps `Usage`. The same as `decode`."""

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """A whole (not streamed) 200 answer: the same events, one text piece for each channel, with its `End`."""

    def eof(self) -> Sequence[Decoded]:
        """The bytes are over. Gives the natural `End` where the provider's format has no end marker and every choice
        that was begun has finished; gives nothing when the answer was cut (the caller then ends it as a death)."""
