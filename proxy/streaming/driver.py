"""Drive one request from its first attempt to the end of its response.

One coroutine does it all, so that leaving it closes all. It makes attempts until one serves the client. The route says
which target is next. Another attempt is made only while the client has received no event. An attempt's `with` block
closes its provider's connection. Whatever ends the request from outside comes as an `Interruption`. Streamed and whole
requests differ in the sink alone: one encodes the events, the other joins them.
"""

import asyncio
import logging
import math
import time
from dataclasses import replace
from functools import lru_cache
from urllib.parse import quote, urlsplit

from policies.chain import Chain, Rejected
from policies.events import EndKind
from proxy.access.slots import Slots
from proxy.accounting.ledger import Ledger
from proxy.accounting.record import AttemptRecord, Outcome, Record
from proxy.errors import GatewayError, UpstreamError, UpstreamTimeout
from proxy.providers.base import Call
from proxy.routing.route import Step
from proxy.streaming.attempt import Attempt, warn_of_failure
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.ending import Ending, outcome_of
from proxy.streaming.execution import Execution, PreparedAttempt
from proxy.streaming.interruption import Reason
from proxy.streaming.pipeline import Pipeline
from proxy.streaming.registry import Progress
from proxy.streaming.response import Downstream
from proxy.tasks import spawn
from proxy.telemetry.logs import where_it_failed

log = logging.getLogger("sluice")


class Driver:
    """Drive one request to its end. Make it in the task that runs it."""

    def __init__(self, execution: Execution, down: Downstream, deadlines: Deadlines, ending: Ending) -> None:
        self._execution = execution
        self._route = execution.route
        self._record: Record = execution.record
        self._down = down
        self._deadlines = deadlines
        self._interruption = deadlines.interruption
        self._ledger = Ledger()
        self._chains: list[Chain] = []
        self._pipeline: Pipeline | None = None
        self._ending = ending
        ending.owns(self._settle)

    async def run(self) -> None:
        """Serve the request until its response is over. Raises `CancelledError` only if the server cancels."""
        try:
            await self._guarded()
        except asyncio.CancelledError:  # the second interruption, while the client was being told of the first
            reason = self._interruption.claim()
            if reason is None:
                raise
            log.debug("%s: %s while ending", self._record.id, reason.value)
            self._down.abort()  # its response has no end any more

    def progress(self) -> Progress:
        """Return the request's progress."""
        held = 0 if self._pipeline is None else self._pipeline.chain.held()
        return Progress(self._ledger.completion, self._down.bytes, held)

    async def _guarded(self) -> None:
        """Serve, and end every failure with its outcome. This is the single boundary."""
        try:
            await self._serve()
        except asyncio.CancelledError:
            reason = self._interruption.claim()
            await self._interrupted(reason or Reason.DRAINED)
            if reason is None:
                raise
        except GatewayError as error:
            await self._failed(error, outcome_of(error), "death")
        except Exception as failure:
            log.error("%s: failed with %s", self._record.id, where_it_failed(failure))
            message = "The gateway failed; the operator finds the cause in its log."
            await self._failed(GatewayError(message, code="internal_error"), "failed", "death")

    # ---- attempts
    async def _serve(self) -> None:
        if self._execution.stream:
            self._deadlines.keep_alive.start()
        step = self._route.first()
        while True:
            prepared, pipeline = self._prepare(step)
            call = await self._execution.turns.take(prepared.call, self._in_between)
            self._deadlines.tick.set(prepared.chain.deadline())
            try:
                await self._attempt(step, prepared, call, pipeline)
                break
            except Rejected as rejected:
                following = None if self._spent_all(rejected) else self._route.rejected()
                if following is None:
                    raise _rejected(rejected) from None
            except GatewayError as error:
                following = None if self._down.committed else self._route.after(error, self._patience(error))
                if isinstance(error, UpstreamError):
                    self._tell_failure(error, following)
                if following is None:
                    raise
            step = following
        self._ending.outcome("policy_stopped" if pipeline.chain.stopped else "completed")

    def _patience(self, error: GatewayError) -> float:
        """Return the seconds for which a stream's client may wait for a retry. The first keep-alive commits a 200, and
        behind it a 429 could not be one: clients know better than we how long to wait for a limit."""
        limited = isinstance(error, UpstreamError) and error.cause == "limit"
        return (
            self._deadlines.keep_alive.left()
            if limited and self._execution.stream and self._down.status is None
            else math.inf
        )

    def _spent_all(self, rejected: Rejected) -> bool:
        return self._down.committed or self._record.attempts >= rejected.reject.attempts

    def _prepare(self, step: Step) -> tuple[PreparedAttempt, Pipeline]:
        """Make the next attempt, with nothing in it of the ones before."""
        prepared = self._execution.prepare(step.place, self._spent())
        self._pipeline = Pipeline(self._execution, prepared, self._down, self._deadlines, self._ledger)
        self._chains.append(prepared.chain)
        return prepared, self._pipeline

    async def _in_between(self) -> None:
        """Send a keep-alive if one is due, between two slices of long work on the request."""
        if self._deadlines.keep_alive.due():
            await self._down.keep_alive()

    def _spent(self) -> float:
        self._ledger.settle()
        bill = self._ledger.bill()
        return bill.cost.total if bill is not None and bill.cost is not None else 0.0

    async def _pause(self, seconds: float, pipeline: Pipeline) -> None:
        """Wait before a retry, or until a policy's time ends the answer. The client hears keep-alives meanwhile."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        if seconds > 0 and not pipeline.over():
            await self._deadlines.wait(lambda: asyncio.sleep(until - now()), pipeline.woken, limited=False)

    async def _place(self, slots: Slots, name: str, pipeline: Pipeline) -> bool:
        """Take one of a target's places. The client hears keep-alives while it waits for one. Return False when a
        policy's time was over before."""
        taking = spawn(slots.take(f"The target {name}", self._record.client))
        try:
            await self._deadlines.wait(lambda: asyncio.wait({taking}), pipeline.woken, limited=False)
            if taking.done():
                taking.result()
                return True
            slots.forgo(taking, self._record.client)
            return False
        except BaseException:
            slots.forgo(taking, self._record.client)
            raise

    async def _attempt(self, step: Step, prepared: PreparedAttempt, call: Call, pipeline: Pipeline) -> None:
        """Make one attempt, from the request to its provider to the end of the client's response. Raises what ended it
        before that. The provider's connection is closed then."""
        await self._pause(step.wait, pipeline)
        slots = None if pipeline.over() else self._route.slots(step.place)
        if slots is not None and not await self._place(slots, step.place.name, pipeline):
            slots = None
        try:
            if pipeline.over():  # a policy's time was over while it waited: the provider is not asked
                await pipeline.done(cut=True)
            else:
                self._route.check(step.place)
                await self._made(step, prepared, call, pipeline)
        finally:
            if slots is not None:
                slots.give_back(self._record.client)

    async def _made(self, step: Step, prepared: PreparedAttempt, call: Call, pipeline: Pipeline) -> None:
        tried = self._begin(step, prepared, call)
        headers = self._execution.observer.attempt(tried, call)
        if headers:
            call = replace(call, headers={**call.headers, **headers})
        pipeline.tried, pipeline.call = tried, call
        try:
            async with Attempt(prepared.upstream, call) as attempt:
                await pipeline.run(attempt)
                await pipeline.done(cut=False)
        except asyncio.CancelledError:
            limit = self._interruption.claim_limit()
            if limit is None:
                raise
            error = UpstreamTimeout(_TIMEOUTS[limit])
            self._attempt_failed(step, tried, error)
            raise error from None
        except GatewayError as error:
            self._attempt_failed(step, tried, error)
            raise
        except Rejected:
            tried.error = "rejected"
            raise
        finally:
            if not call.sending.begun:
                self._ledger.unsent()
            self._route.ended(step.place)
            tried.duration = time.monotonic() - tried.began
            tried.response_id, tried.response_model = pipeline.meta.id, pipeline.meta.model
            self._execution.observer.attempted(tried)

    def _begin(self, step: Step, prepared: PreparedAttempt, call: Call) -> AttemptRecord:
        where, record = step.place, self._record
        tried = AttemptRecord(record.attempts + 1, where.provider_name, where.api, where.model)
        tried.reason, tried.chosen = step.reason, step.chosen
        tried.address, tried.port = _address(where.provider.base_url)
        record.tries.append(tried)
        record.target = where.name
        self._down.set_header(b"x-sluice-target", _header(where.name))
        self._route.began(where)
        self._ledger.begin(call.body, prepared.context.target.price, call.prompt, call.operation.texts)
        self._deadlines.provider.begin_attempt()
        return tried

    def _attempt_failed(self, step: Step, tried: AttemptRecord, error: GatewayError) -> None:
        tried.error = error.code or error.type
        if isinstance(error, UpstreamError):
            tried.status = error.provider_status
            error.detail = self._execution.redact(error.detail)
            tried.detail = error.detail if error.code in _NETWORK else None
        self._route.failed(step.place, error)

    def _tell_failure(self, error: UpstreamError, following: Step | None) -> None:
        """Tell the operator of a failed attempt. The provider's words may repeat the prompt, so they pass the request's
        policies before anyone sees them. (The operator's `detail` has passed them with the attempt's end.)"""
        if error.quoted:
            error.message = (
                self._execution.redact(error.message) or "The provider refused the request; check its parameters."
            )
        if self._record.tries:
            warn_of_failure(self._record, error.detail or error.message, error, following)

    # ---- the other ends
    async def _interrupted(self, reason: Reason) -> None:
        match reason:
            case Reason.CLIENT_LEFT:
                self._ending.outcome("client_cancelled")
                self._drop("cancel")
            case Reason.WRITE:
                self._ending.outcome("client_timeout")
                self._drop("cancel")
                self._down.abort()
            case Reason.CANCELLED:
                await self._cancelled()
            case Reason.DRAINED:
                message = "The gateway is shutting down: send the request again."
                await self._failed(GatewayError(message, status=503, code="shutting_down"), "drained", "death")
            case _:
                await self._failed(UpstreamTimeout(_TIMEOUTS[reason]), "timeout", "timeout")

    async def _cancelled(self) -> None:
        self._ending.outcome("client_cancelled")
        try:
            if self._pipeline is not None:
                await self._pipeline.cancelled()
        except (GatewayError, Rejected) as failure:
            error = failure if isinstance(failure, GatewayError) else _rejected(failure)
            await self._failed(error, outcome_of(error), "cancel")

    async def _failed(self, error: GatewayError, outcome: Outcome, end: EndKind) -> None:
        self._ending.outcome(outcome, error)
        self._drop("timeout" if outcome == "timeout" else end)
        event = b"" if self._pipeline is None else self._pipeline.error(error)
        await self._down.error(error, event, retried=self._record.attempts > 1)

    def _drop(self, kind: EndKind) -> None:
        if self._pipeline is not None:
            self._pipeline.drop(kind)

    def _settle(self) -> None:
        """Tell the record what is known at the end."""
        record = self._record
        self._ledger.settle()
        record.bill = self._ledger.bill()
        record.status = self._down.status
        record.bytes, record.chunks, record.longest_gap = self._down.bytes, self._down.chunks, self._down.longest_gap
        if self._pipeline is not None:
            chain = self._pipeline.chain
            record.notes = [note for one in self._chains for note in one.notes]
            record.finish_reasons = dict(chain.finished)
            record.stopped_by = next(iter(chain.stopped.values()), None)


@lru_cache(maxsize=256)
def _address(url: str | None) -> tuple[str | None, int | None]:
    """The host and the port that a URL names."""
    parts = urlsplit(url or "")
    return parts.hostname, parts.port


@lru_cache(maxsize=1024)
def _header(target: str) -> bytes:
    """A target's name, fit for a header."""
    return quote(target, safe="/:@").encode()


_NETWORK = frozenset({"connect_error", "connect_timeout", "tls_error", "upstream_died"})
"""Codes of failures whose reasons hold none of the provider's words, which may repeat the prompt."""

_TIMEOUTS = {
    Reason.FIRST_TOKEN: "The provider did not begin its answer in time (timeouts.first_token): try again.",
    Reason.IDLE: "The provider stalled in the middle of its answer (timeouts.idle): try again.",
    Reason.TOTAL: "The answer took longer than a request may take (timeouts.total): ask for a shorter one.",
}


def _rejected(rejected: Rejected) -> UpstreamError:
    """A policy's verdict on an answer, where there is no other attempt."""
    return UpstreamError(str(rejected), code="rejected")
