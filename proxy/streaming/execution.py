"""The driver's input: one request, ready to be served, and the means to make attempts.

Rule: everything was validated. An attempt gets its own chain, its own sink and its own call, so nothing of a failed one
is left in the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from policies.base import Context
from policies.chain import Chain
from policies.events import Event, Usage
from policies.steps import Steps
from proxy.access.bodies import Lease
from proxy.accounting.record import Record
from proxy.config.resolve import ResolvedTarget
from proxy.errors import GatewayError
from proxy.formats.base import Meta
from proxy.providers.base import Call, Upstream
from proxy.routing.route import Route
from proxy.streaming.observer import Observer
from proxy.streaming.response import Downstream
from proxy.turns import Turns


class Sink(Protocol):
    """The taker of the events that came through the chain."""

    def use(self, meta: Meta) -> None:
        """Take over the facts of the provider's answer."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Take events, and return the bytes to send now, if there are any."""

    async def done(self, down: Downstream, usage: Usage | None) -> None:
        """Send what is left and end the response."""

    def error(self, error: GatewayError) -> bytes:
        """Return a failure as a server-sent event."""


@dataclass(frozen=True, slots=True)
class PreparedAttempt:
    """One attempt. `call` lets the policies see the request, in steps, and gives the call that they leave to make; it
    raises `GatewayError` when one refuses."""

    place: ResolvedTarget
    call: Steps[Call]
    chain: Chain
    context: Context
    sink: Sink
    upstream: Upstream


@dataclass(slots=True)
class Execution:
    """One request. `prepare` makes the attempt at a target, given the USD that the ones before have cost. `choices` is
    the request's `n`. Long work on the request is done in `turns`. `lease` is the memory of its `body`. `redact` is
    what its policies leave of a provider's words that are no answer: an error's message, which may repeat the prompt.
    """

    stream: bool
    choices: int
    route: Route
    prepare: Callable[[ResolvedTarget, float], PreparedAttempt]
    record: Record
    observer: Observer
    turns: Turns
    body: dict[str, Any]
    lease: Lease
    redact: Callable[[str], str] = str

    def let_go(self) -> None:
        """Drop the request's body: no attempt will be made any more."""
        self.prepare = _no_more
        self.body.clear()
        self.lease.release()


def _no_more(place: ResolvedTarget, spent: float) -> PreparedAttempt:
    raise RuntimeError("the request's body was dropped: no attempt may be made")
