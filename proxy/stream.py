"""The driver: upstream -> chain -> client, for one request; sole owner of cancel, close and the request's record.

Theory. One coroutine does it all, so that leaving it closes all. It opens an attempt, then reads batches of events,
folds each through the chain and sends what comes out in one message; `send` blocking is the back-pressure. Whatever
ends the request from outside reaches it through `Interrupts`; the upstream is closed by the `with` block that an
interruption leaves. Streamed and whole requests differ in the sink alone: one encodes what goes on, the other joins it.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from policies.base import Context
from policies.chain import Chain, Rejected
from policies.events import Attachment, End, EndKind, Event, Finish, Note, Text, Tick, ToolCall, Usage
from proxy.attempt import Attempt
from proxy.downstream import Downstream
from proxy.errors import GatewayError, PolicyFailed, UpstreamError, UpstreamTimeout
from proxy.interrupts import Interrupts, Reason
from proxy.ledger import Ledger
from proxy.record import Outcome, Record, Try
from proxy.upstreams.base import Answer, Call, Upstream
from proxy.wire.base import Fault, Meta

log = logging.getLogger("sluice")

SLICE = 512
"""Characters of one text that are folded at once: more would keep the event loop from the other streams."""

SUBSTANCE = (Text, ToolCall, Attachment, Finish)
"""Events before which nothing goes to the client, so that a failure can still be an HTTP status."""

ESTIMATED = {"x_sluice": {"source": "estimated"}}
"""Marks a usage object that is not the provider's word."""

MOST_PENDING = 1000
"""Events without substance that are kept for the first one with it."""


class Sink(Protocol):
    """Where the events that came through the chain go."""

    def use(self, meta: Meta) -> None:
        """The provider has told more of its answer."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Take events; give the bytes to send now, if there are any."""

    async def done(self, down: Downstream, usage: Usage | None) -> None:
        """Send what is left and end the response."""

    def error(self, error: GatewayError) -> bytes:
        """A failure as a server-sent event."""


@dataclass(slots=True)
class Job:
    """One request, ready to be driven: everything was validated and the policies saw it."""

    call: Call
    choices: int
    chain: Chain
    context: Context
    sink: Sink
    record: Record
    again: Callable[[float], tuple[Chain, Call]]
    """A fresh chain and call, for another attempt after a policy rejected one; takes the USD spent so far."""


class Driver:
    """Drives one job to its end. Make it in the task that runs it."""

    def __init__(self, job: Job, upstream: Upstream, down: Downstream, interrupts: Interrupts) -> None:
        self._job = job
        self._call = job.call
        self._chain = job.chain
        self._notes: list[Note] = []
        self._sink = job.sink
        self._record = job.record
        self._ledger = Ledger(job.call.body, job.context.target.price)
        self._upstream = upstream
        self._down = down
        self._interrupts = interrupts
        self._pending: list[Event] = []
        self._seen: set[int] = set()
        self._meta = Meta()

    async def run(self) -> None:
        """Serve the request; returns when its one exit has been passed. Raises `CancelledError` only if the server
        cancels."""
        try:
            await self._guarded()
        except asyncio.CancelledError:  # the second interruption, while the client was being told of the first
            reason = self._interrupts.claim()
            if reason is None:
                raise
            log.debug("%s: %s while ending", self._record.id, reason.value)
            self._down.abort()  # its response has no end any more
        finally:
            self._interrupts.close()
            self._close_record()

    async def _guarded(self) -> None:
        """The single boundary: every failure ends here, each with its outcome."""
        try:
            await self._serve()
        except asyncio.CancelledError:
            reason = self._interrupts.claim()
            await self._interrupted(reason or Reason.DRAINED)
            if reason is None:
                raise
        except GatewayError as error:
            await self._failed(error, _outcome(error), "death")
        except Exception as failure:
            log.error("%s: failed with %s", self._record.id, place(failure))
            message = "The gateway failed; the operator finds the cause in its log."
            await self._failed(GatewayError(message, code="internal_error"), "failed", "death")

    async def _serve(self) -> None:
        if self._call.stream:
            self._interrupts.start_beat()
        while True:
            try:
                return await self._attempt()
            except Rejected as rejected:
                if self._down.committed or self._record.attempts >= rejected.reject.attempts:
                    raise _rejected(rejected) from None
            self._notes += self._chain.notes
            self._chain, self._call = self._job.again(self._spent())
            self._pending.clear()
            self._seen.clear()

    def _spent(self) -> float:
        self._ledger.settle()
        bill = self._ledger.bill()
        return bill.cost.total if bill is not None and bill.cost is not None else 0.0

    async def _attempt(self) -> None:
        call = self._call
        number = self._record.attempts + 1
        self._record.tries.append(Try(number, call.provider_name, call.provider.api or call.provider_name, call.model))
        self._ledger.begin()
        self._interrupts.begin_attempt()
        self._interrupts.set_tick(self._chain.deadline())
        async with Attempt(self._upstream, self._call) as attempt:
            answer = await self._open(attempt)
            while answer is not None and not await self._forward(answer, await self._read(answer)):
                pass
            self._record.outcome = "policy_stopped" if self._chain.stopped else "completed"
            await self._sink.done(self._down, self._usage())
            self._interrupts.close()

    # ---- waiting for the provider
    async def _open(self, attempt: Attempt) -> Answer | None:
        """The answer, once the provider has begun it; None when a policy's time was over before that."""
        self._interrupts.begin_wait()
        while True:
            try:
                answer = await attempt.answer()
                break
            except asyncio.CancelledError:
                if not self._interrupts.claim_wake():
                    raise
            except GatewayError as error:
                self._ledger.refused(error)
                raise
            finally:
                self._interrupts.end_wait()
            await self._woken()
            if self._over():
                return None
            self._interrupts.resume_wait()
        self._meta = answer.meta
        return answer

    async def _read(self, answer: Answer) -> Sequence[Event | Fault]:
        self._interrupts.begin_wait()
        while True:
            try:
                return await answer.read()
            except asyncio.CancelledError:
                if not self._interrupts.claim_wake():
                    raise
            finally:
                self._interrupts.end_wait()
            await self._woken()
            if self._over():
                return ()
            self._interrupts.resume_wait()

    async def _woken(self) -> None:
        if self._interrupts.tick_due():
            out = self._feed(Tick(self._job.context.clock()))
            self._interrupts.set_tick(self._chain.deadline())
            await self._send(out)
        if self._interrupts.beat_due():
            await self._down.keep_alive()

    # ---- the way of a batch
    async def _forward(self, answer: Answer, events: Sequence[Event | Fault]) -> bool:
        """Fold a batch and send what comes out; whether the answer is over for the client."""
        out: list[Event] = []
        ended = False
        for event in events:
            match event:
                case Text(_, _, text) if len(text) > SLICE:
                    await self._fold_slices(event, out)
                case Fault():
                    await self._flush_before_failure(out)
                    raise _reported(event)
                case End():
                    ended = True
                    self._ledger.ended()
                    out += self._finish_unfinished()
                case _:
                    self._note(event)
                    out += self._feed(event)
        if self._chain.policies:
            self._interrupts.set_tick(self._chain.deadline())
        over = self._over()
        if over and not ended:  # the provider first: a slow client must not keep it running
            await answer.aclose()
        if out:
            await self._send(out)
        return ended or over

    async def _fold_slices(self, event: Text, out: list[Event]) -> None:
        self._note(event)
        for start in range(0, len(event.text), SLICE):
            out += self._feed(Text(event.choice, event.channel, event.text[start : start + SLICE]))
            await asyncio.sleep(0)

    def _note(self, event: Event) -> None:
        """Remember of an event what the ending needs."""
        self._ledger.saw(event)
        if isinstance(event, SUBSTANCE) and event.choice not in self._seen:
            self._seen.add(event.choice)
            self._interrupts.first_token()

    def _usage(self) -> Usage | None:
        """What to tell a client that asked for usage: the provider's word; of an answer that was cut, the estimate."""
        if not self._chain.stopped and self._record.outcome != "client_cancelled":
            return self._ledger.told
        bill = self._ledger.attempt()
        return bill.usage if bill.source == "reported" else replace(bill.usage, details=ESTIMATED)

    def _feed(self, event: Event) -> list[Event]:
        try:
            return self._chain.feed(event)
        except Rejected:
            raise
        except Exception as failure:
            log.error("%s: a policy raised %s", self._record.id, place(failure))
            raise PolicyFailed("A policy of the gateway failed, so the answer was stopped.") from None

    def _finish_unfinished(self) -> list[Event]:
        """The provider says that the answer is whole: choices that it did not finish end as `stop`, then the chain
        ends."""
        if not self._seen:
            raise UpstreamError("The provider sent an empty answer.", code="empty_answer")
        out: list[Event] = []
        for choice in sorted(self._seen - self._chain.finished.keys()):
            out += self._feed(Finish(choice, "stop"))
        return out + self._feed(End("natural"))

    def _over(self) -> bool:
        """Whether a policy's stop has ended the last choice: then the provider is not waited for."""
        return bool(self._chain.stopped) and len(self._chain.finished) >= max(self._job.choices, len(self._seen))

    async def _send(self, out: Sequence[Event]) -> None:
        if self._pending or not self._down.committed:
            self._pending += out
            if not _has_substance(out) and len(self._pending) < MOST_PENDING:
                return
            out, self._pending = self._pending, []
            self._record.began()
            self._record.provider_id = self._meta.id
            self._sink.use(self._meta)
        data = self._sink.encode(out)
        if data:
            await self._down.event(data)

    # ---- the other ends
    async def _flush_before_failure(self, out: list[Event]) -> None:
        if self._down.committed:
            await self._send(out)

    async def _interrupted(self, reason: Reason) -> None:
        match reason:
            case Reason.CLIENT_LEFT:
                self._record.outcome = "client_cancelled"
                self._end_chain("cancel")
            case Reason.WRITE:
                self._record.outcome = "client_timeout"
                self._end_chain("cancel")
                self._down.abort()
            case Reason.CANCELLED:
                try:
                    await self._cancelled()
                except (GatewayError, Rejected) as failure:
                    error = failure if isinstance(failure, GatewayError) else _rejected(failure)
                    await self._failed(error, _outcome(error), "cancel")
            case Reason.DRAINED:
                message = "The gateway is shutting down: send the request again."
                await self._failed(GatewayError(message, status=503, code="shutting_down"), "drained", "death")
            case _:
                await self._failed(UpstreamTimeout(_TIMEOUTS[reason]), "timeout", "timeout")

    async def _cancelled(self) -> None:
        """Somebody stopped the stream by its id: it ends well-formed, without what was held."""
        self._record.outcome = "client_cancelled"
        out: list[Event] = []
        for choice in sorted((self._seen or {0}) - self._chain.finished.keys()):
            out += self._feed(Finish(choice, "length", "cancel"))
        await self._send(out + self._feed(End("cancel")))
        await self._sink.done(self._down, self._usage())

    async def _failed(self, error: GatewayError, outcome: Outcome, end: EndKind) -> None:
        self._record.outcome = outcome
        self._record.error = error.code
        if isinstance(error, UpstreamError):
            self._record.provider_status = error.provider_status
        self._end_chain(end)
        await self._down.error(error, self._sink.error(error), retried=self._record.attempts > 1)

    def _end_chain(self, kind: EndKind) -> None:
        """Let the policies drop what they hold. What a policy would still send at such an end is not sent."""
        try:
            self._chain.feed(End(kind))
        except Exception as failure:
            log.error("%s: at the end a policy raised %s", self._record.id, place(failure))

    def _close_record(self) -> None:
        record = self._record
        self._ledger.settle()
        record.bill = self._ledger.bill()
        record.status = self._down.status
        record.bytes = self._down.bytes
        record.notes = [*self._notes, *self._chain.notes]
        record.finish_reasons = dict(self._chain.finished)
        record.stopped_by = next(iter(self._chain.stopped.values()), None)
        record.ended()


_TIMEOUTS = {
    Reason.FIRST_TOKEN: "The provider did not begin its answer in time (timeouts.first_token): try again.",
    Reason.IDLE: "The provider stalled in the middle of its answer (timeouts.idle): try again.",
    Reason.TOTAL: "The answer took longer than a request may take (timeouts.total): ask for a shorter one.",
}


def _rejected(rejected: Rejected) -> UpstreamError:
    """A policy's verdict on an answer, where there is no other attempt."""
    return UpstreamError(str(rejected), code="rejected")


def _reported(fault: Fault) -> UpstreamError:
    """An error that the provider sent within its answer: as it would be had it been the answer's status."""
    match fault.status:
        case 429:
            status, kind = 429, "rate_limit_error"
        case refused if refused < 500:
            status, kind = refused, "invalid_request_error"
        case 503 | 529:
            status, kind = 503, "server_error"
        case failed:
            status, kind = 504 if failed == 504 else 502, "server_error"
    return UpstreamError(fault.message, status=status, type=kind, code=fault.kind or "upstream_error")


def _has_substance(events: Sequence[Event]) -> bool:
    return any(isinstance(e, SUBSTANCE) and not (isinstance(e, Text) and not e.text) for e in events)


def place(failure: Exception) -> str:
    """Where it failed, for the log. Without the exception's own words, which may quote message text."""
    return "".join([type(failure).__name__, "\n", *traceback.format_tb(failure.__traceback__)])


def _outcome(error: GatewayError) -> Outcome:
    match error:
        case PolicyFailed():
            return "policy_error"
        case UpstreamTimeout():
            return "timeout"
        case UpstreamError(status=status) if status != 400:
            return "upstream_error"
        case _:
            return "refused"
