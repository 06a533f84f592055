"""The one end of a request: of its answer, or by a refusal, a failure, a client that leaves, a cancel or a drain."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import ParamSpec

from proxy.access.slots import Overloaded
from proxy.accounting.record import Outcome, Record
from proxy.errors import GatewayError, PolicyFailed, UpstreamError, UpstreamTimeout

_P = ParamSpec("_P")


class Ending:
    """Owns all that a request holds: the memory of its body, its place, its entry in the registry, the watcher of its
    client, its deadlines, and its record. Whoever takes something for the request hands over at once what gives it
    back. (A provider's connection belongs to its attempt, which is over before this: see `Attempt`.)

    `tell` gets the record at the end."""

    def __init__(self, record: Record, *tell: Callable[[Record], None]) -> None:
        self._record = record
        self._tell = tell
        self._held = ExitStack()
        self._finished = False

    def owns(self, give_back: Callable[_P, object], *arguments: _P.args, **named: _P.kwargs) -> None:
        """Call `give_back` when the request ends, the last one first, and each whatever the others raise."""
        self._held.callback(give_back, *arguments, **named)

    def outcome(self, outcome: Outcome, error: GatewayError | None = None) -> None:
        """Note how the request ends, and the error that its client gets."""
        self._record.outcome = outcome
        if error is not None:
            self._record.error = error.code
        if isinstance(error, UpstreamError):
            self._record.provider_status = error.provider_status

    def release(self) -> None:
        """Give back all that is held. Idempotent. A refusal goes out after it, so that a slow client holds nothing."""
        self._held.close()

    def finish(self) -> None:
        """End the request: release, then close the record and tell of it. It awaits nothing, so nothing can interrupt
        it. Only the first call counts."""
        if self._finished:
            return
        self._finished = True
        try:
            self.release()
        finally:
            self._record.ended()
            for tell in self._tell:
                tell(self._record)


def outcome_of(error: GatewayError) -> Outcome:
    """Return the outcome of a request that ends with this error."""
    match error:
        case PolicyFailed():
            return "policy_error"
        case Overloaded():
            return "shed"
        case UpstreamTimeout():
            return "timeout"
        case UpstreamError(status=status) if status != 400:
            return "upstream_error"
        case _:
            return "refused"
