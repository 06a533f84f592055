"""Operations as data: where one is served, how its requests are read, how its answers are written.

Rule: the driver, routing, records, metrics, spans, limits and policies read these fields. None of them knows a single
operation by name. A new endpoint is a new `Operation` and a line in `proxy.formats.operations`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from policies.events import Event, Usage
from policies.steps import Steps
from policies.texts import Texts
from proxy.errors import GatewayError
from proxy.formats.base import Meta
from proxy.formats.folding import Parts


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A valid request of any operation.

    `body` is the client's JSON object, unchanged until it is emptied, when no other attempt can be made. `n` is the
    number of choices. `include_usage` tells whether a streaming client asked for the usage chunk, `json_answer` whether
    the answer's content will be JSON.
    """

    body: dict[str, Any]
    model: str
    stream: bool
    include_usage: bool
    n: int
    json_answer: bool


class StreamEncoder(Protocol):
    """Encodes one streamed answer, event by event."""

    def use(self, meta: Meta) -> None:
        """Take over what the provider says of its answer."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes for events that came out of the chain together. May be empty."""

    def done(self, usage: Usage | None) -> bytes:
        """The end of a stream that ended well."""

    def error(self, error: GatewayError) -> bytes:
        """The end of a stream that failed."""


class Accumulator(Protocol):
    """Joins one whole answer."""

    def use(self, meta: Meta) -> None:
        """Take over what the provider says of its answer."""

    def add(self, events: Iterable[Event]) -> None:
        """Take events that came out of the chain. Raises `AnswerTooLarge`."""

    @property
    def stopped_by(self) -> str | None:
        """The policy that stopped the answer, if one did."""

    def result(self, usage: Usage | None) -> Parts:
        """The answer's JSON text, in parts. Raises `GatewayError` when there is no whole answer."""


Encode: TypeAlias = Callable[[str, int, str, ClientRequest], StreamEncoder]
"""Makes an encoder: (id, created, model, request)."""

Accumulate: TypeAlias = Callable[[str, int, str, ClientRequest, int], Accumulator]
"""Makes an accumulator: (id, created, model, request, the answer's maximum in bytes)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    `name` is OpenTelemetry's `gen_ai.operation.name`. `title` is what a target "has" or lacks. `path` is where clients
    find it, below `/v1` and without, and where an OpenAI-format server has it. Ids begin with `id_prefix`. `read`
    validates a body, in steps, and raises `InvalidRequest`. `texts` says where a body's texts are, `abilities` which
    abilities of a target a body needs. `encode` is None where answers are never streamed. `answers_text`: policies on
    answers and limits of tokens apply.
    """

    name: str
    title: str
    path: str
    id_prefix: str
    read: Callable[[dict[str, Any]], Steps[ClientRequest]]
    texts: Texts
    accumulate: Accumulate
    encode: Encode | None = None
    abilities: Callable[[Mapping[str, Any]], Iterator[str]] = lambda body: iter(())
    answers_text: bool = True
    limit: str | None = None
    """The member that limits an answer at a server that has the operation itself; None: as for chat."""
    usual_limit: int | None = None
    """The limit that holds there where a request gives none."""

    @property
    def routes(self) -> tuple[str, str]:
        """The paths at which clients find it."""
        return f"/v1{self.path}", self.path
