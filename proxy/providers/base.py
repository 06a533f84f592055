"""What the driver knows of a provider: open a call, read batches of events, close.

Rule: `open` either gives an `Answer` whose provider said 200, or raises `UpstreamError` with its own resources already
closed. `streaming.attempt` owns an `Answer` and closes it on every exit.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from policies.events import Event
from policies.work import Work
from proxy.config.models import Model, Provider, Timeouts
from proxy.formats.base import DecodeError, Meta
from proxy.formats.openai_chat.completion import MAX_ANSWER
from proxy.formats.operation import Operation


@dataclass(slots=True)
class Sending:
    """Whether an attempt's request has begun to go out. Until then the provider cannot have worked on it."""

    begun: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt's request: what to ask of which target.

    `body` is the client's validated JSON (after the policies saw it), `operation` what it asks for. What is in the
    body is shared and must not be changed; it is emptied once no other attempt can be made. `model` is the provider's
    name of the model, wildcards filled in. `stream` is what the *client* asked; the provider is asked to stream
    unless `settings` says `whole: native`. `guarded` tells the codec to leave out what it does not know. `headers`
    are the allow-listed client headers that go up. `key` is the name of the client's key. `work` is the request's one
    budget, shared by all its attempts. `size` are the bytes of the client's body; `large` tells that the event loop
    cannot map it. `prompt` is the estimate of its tokens, made in advance where that takes long. `max_answer` are the
    bytes that an answer in one piece may have. `sending` is the upstream's to set.
    """

    id: str
    body: dict[str, Any]
    model: str
    provider_name: str
    provider: Provider
    settings: Model
    timeouts: Timeouts
    stream: bool
    guarded: bool
    operation: Operation
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    work: Work = field(default_factory=Work)
    size: int = 0
    large: bool = False
    prompt: int | None = None
    max_answer: int = MAX_ANSWER
    sending: Sending = field(default_factory=Sending)


class BatchResult(enum.Enum):
    """The fate of a batch that was offered where nothing can be awaited."""

    DONE = "done"
    """It was handled. The reader sleeps on."""
    WAKE = "wake"
    """It was handled, but something is left that the reader must await."""
    LEFT = "left"
    """It was not handled. The reader gets it."""


OnBatch = Callable[[Sequence[Event | DecodeError]], BatchResult]
"""Takes a batch of events as it arrives, where nothing can be awaited."""


class Answer(Protocol):
    """A provider's running answer."""

    meta: Meta

    async def read(self, on_batch: OnBatch | None = None) -> Sequence[Event | DecodeError]:
        """Return the next events, all that have arrived. Wait for at least one. Cancelling a `read` loses nothing: the
        next one goes on. While it waits it may offer batches to `on_batch` as they arrive. It returns the one that is
        left, and none when it is only to wake.

        The last batch ends in `End` or `DecodeError`. Raises `UpstreamError` when the provider goes away before that,
        and what `on_batch` raised."""

    async def aclose(self) -> None:
        """Give the connection back if the answer was read to its end, else close it at once. Idempotent."""


class Upstream(Protocol):
    """A way to reach providers; one object for the process. `keeps_body`: it holds the request's body for as long as an
    answer runs."""

    keeps_body: bool

    async def open(self, call: Call) -> Answer:
        """Send the request and wait for the response's head. Raises `UpstreamError` or `InvalidRequest`."""

    async def aclose(self) -> None:
        """Close every connection; at shutdown."""
