"""The pipeline of one attempt: read batches of events, fold each through the chain, send the result.

The result of a batch goes out in one message. There is no queue: a `send` that blocks is the back-pressure. Nothing
goes to the client before the first event with substance.
"""

import asyncio
import enum
import functools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from policies.chain import Rejected
from policies.events import Attachment, End, EndKind, Event, Finish, Text, Tick, ToolCall, Usage
from policies.steps import Steps
from policies.work import OverBudget
from proxy.accounting.ledger import Ledger
from proxy.accounting.record import AttemptRecord, Record
from proxy.errors import GatewayError, PolicyFailed, TooComplex, UpstreamError
from proxy.formats.base import DecodeError, Meta
from proxy.providers.base import Answer, BatchResult, Call
from proxy.streaming.attempt import Attempt
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.execution import Execution, PreparedAttempt
from proxy.streaming.folding import IN_A_TURN, SUBSTANCE, Short, foldable_at_once, is_long, pieces
from proxy.streaming.prelude import Prelude
from proxy.streaming.response import Downstream
from proxy.telemetry.logs import where_it_failed

log = logging.getLogger("sluice")

ESTIMATED = {"x_sluice": {"source": "estimated"}}
"""A mark on a usage object that is not the provider's word."""

FAILED = "A policy of the gateway failed, so the answer was stopped."

SMALL_PROMPT = 32 * 1024
"""Bytes of a request's body that may stay until the end: dropping it costs more than it takes."""

MANY = 100
"""Events that are sent while a long fold goes on."""


class State(enum.Enum):
    """The state of an answer.

    | state | meaning | next |
    |---|---|---|
    | QUIET | nothing goes to the client: the answer has no substance yet | FLOWING with the first event that has |
    | FLOWING | what comes out of the policies goes to the client | |
    | FAILED | a policy raised: none is fed again, but for the end of the answer | none |

    A policy that raises leads from QUIET and FLOWING to FAILED."""

    QUIET = "quiet"
    FLOWING = "flowing"
    FAILED = "failed"


class Pipeline:
    """Take one attempt's answer to the client. `tried` is the record of the attempt and `call` its request, once it is
    made."""

    def __init__(
        self, execution: Execution, prepared: PreparedAttempt, down: Downstream, deadlines: Deadlines, ledger: Ledger
    ) -> None:
        self.chain = prepared.chain
        self._execution = execution
        self._place = prepared.place
        self._clock = prepared.context.clock
        self._sink = prepared.sink
        self._keeps_body = prepared.upstream.keeps_body
        self._down = down
        self._deadlines = deadlines
        self._provider_limit = deadlines.provider
        self._ledger = ledger
        self._record: Record = execution.record
        self._prelude = Prelude()
        self._seen: set[int] = set()
        self._unsent = b""
        self._state = State.QUIET
        self._watched = bool(self.chain.policies)
        self._due: float | None = None
        self.meta = Meta()
        self.tried: AttemptRecord | None = None
        self.call: Call | None = None

    async def run(self, attempt: Attempt) -> None:
        """Serve the attempt's answer until it is over for the client."""
        self._set_tick()
        answer = await self._open(attempt)
        if answer is None:
            return
        read = functools.partial(answer.read, self._on_batch)
        while not await self._forward(attempt, await self._deadlines.wait(read, self.woken, limited=True) or ()):
            pass

    async def done(self, *, cut: bool) -> None:
        """End the response, behind which nothing interrupts. `cut`: the answer was ended from outside."""
        if (capped := self._capped()) is not None:
            self._ledger.capped(capped)
        await self._sink.done(self._down, self._usage(cut))
        self._deadlines.close()

    async def cancelled(self) -> None:
        """End a stream that somebody stopped by its id: well-formed, and without the text that was held."""
        if self._state is State.FAILED:  # at once, in the moment of the cancel
            raise PolicyFailed(FAILED)
        out: list[Event] = []
        for choice in sorted({*self._seen, *range(self._execution.choices)} - self.chain.finished.keys()):
            out += self._feed(Finish(choice, "length", "cancel"))
        out += self._feed(End("cancel"))
        await self._send(out)
        await self.done(cut=True)

    def drop(self, kind: EndKind) -> None:
        """Let the policies drop what they hold. What a policy would still send at such an end is not sent."""
        try:
            self.chain.feed(End(kind))
        except Exception as failure:
            log.error("%s: at the end a policy raised %s", self._record.id, where_it_failed(failure))

    def error(self, error: GatewayError) -> bytes:
        """Return a failure as the client's stream tells it."""
        return self._sink.error(error)

    # ---- waiting for the provider
    async def _open(self, attempt: Attempt) -> Answer | None:
        """Return the answer once the provider has begun it; None when a policy's time was over before that."""
        try:
            answer = await self._deadlines.wait(attempt.answer, self.woken, limited=True)
        except GatewayError as error:
            self._ledger.refused(error)
            raise
        if answer is None:
            return None
        self.meta = answer.meta
        if self.call is not None:
            self.call.sending.begun = True
        return answer

    async def woken(self) -> bool:
        """Do what is due: give the policies their time, send a keep-alive. Tell whether the answer is over then."""
        if self._deadlines.tick.take() and self._state is not State.FAILED:
            out = self._feed(Tick(self._clock()))
            self._set_tick()
            await self._send(out)
        if self._deadlines.keep_alive.due():
            await self._down.keep_alive()
        return self.over()

    # ---- the way of a batch
    def _on_batch(self, events: Sequence[Event | DecodeError]) -> BatchResult:
        """Handle a batch within the event loop's callback, as nearly every batch is: it takes no long time, it ends
        nothing, and the client takes at once what comes out.

        A chunk that wakes the reader's task instead is 40 to 60 % more work."""
        if not events:
            self._provider_limit.heard()
            return BatchResult.DONE
        if self._state is not State.FLOWING or not all(map(foldable_at_once, events)):
            return BatchResult.LEFT
        short: Sequence[Short] = events  # type: ignore[assignment]
        out: list[Event] = []
        for event in short:
            self._ledger.saw(event)
            if not isinstance(event, Usage):
                if event.choice not in self._seen:
                    self._see(event)
                out += self._feed(event)
            elif self.chain.wants_usage:
                out += self._counted(event)
        self._provider_limit.heard()
        if self._watched and (due := self.chain.deadline()) != self._due:
            self._due = due
            self._deadlines.hasten_tick(due)
        if out and (data := self._sink.encode(out)) and not self._down.try_write(data):
            self._unsent = data
            return BatchResult.WAKE
        return BatchResult.WAKE if self.chain.stopped and self.over() else BatchResult.DONE

    def _set_tick(self) -> None:
        """Set the policies' time. It counts when the next wait begins."""
        self._due = self.chain.deadline()
        self._deadlines.tick.set(self._due)

    def _counted(self, usage: Usage) -> list[Event]:
        """Return what the policies do about the provider's counts. No sink makes anything of the counts themselves."""
        return [event for event in self._feed(usage) if type(event) is not Usage]

    async def _forward(self, attempt: Attempt, events: Sequence[Event | DecodeError]) -> bool:
        """Fold a batch and send the result. Tell whether the answer is over for the client."""
        out: list[Event] = []
        for start in range(0, len(events), IN_A_TURN):
            if start:  # others get their turn
                await asyncio.sleep(0)
                await self._send_many(out)
            await self._fold(events[start : start + IN_A_TURN], out)
        if self._watched:
            self._set_tick()
        over = self.over()
        ended = bool(events) and type(events[-1]) is End
        if over and not ended:  # the provider first: a slow client must not keep it running
            await attempt.close()
        if out or self._unsent:
            await self._send(out)
        return ended or over

    async def _fold(self, events: Sequence[Event | DecodeError], out: list[Event]) -> None:
        """Fold a part of a batch into `out`, the result of all of it."""
        for event in events:
            if isinstance(event, DecodeError):
                if self._down.committed:
                    await self._send(out)
                raise event.error or UpstreamError(event.message, code=event.kind)
            elif isinstance(event, End):
                self._ledger.ended()
                await self._finish_unfinished(out)
            elif isinstance(event, Finish | Attachment) or is_long(event):
                self._note(event)
                await self._fold_slices(event, out)
            else:
                self._note(event)
                out += self._feed(event)

    async def _fold_slices(self, event: Event, out: list[Event]) -> None:
        """Fold an event that may be much work a little at a time, and let other streams run in between."""
        await self._execution.turns.take(self._folding(event, out), functools.partial(self._send_many, out))

    def _folding(self, event: Event, out: list[Event]) -> Steps[None]:
        for piece in pieces(event):
            for events in self._slices(piece):
                out += events
                yield

    async def _send_many(self, out: list[Event]) -> None:
        """Send a result that has become long: to encode all of it at the end would take too long."""
        if len(out) >= MANY and not self.over():
            await self._send(out)
            out.clear()

    def _slices(self, event: Event) -> Iterator[list[Event]]:
        try:
            yield from self.chain.slices(event)
        except Rejected:
            raise
        except Exception as failure:
            raise self._raised(failure) from None

    def _note(self, event: Event) -> None:
        """Note the facts of an event that the ending needs."""
        self._ledger.saw(event)
        if isinstance(event, SUBSTANCE) and event.choice not in self._seen:
            self._see(event)

    def _see(self, event: Text | ToolCall | Attachment | Finish) -> None:
        """Note that the first substance of a choice is there."""
        if not self._seen:
            self._first()
        self._seen.add(event.choice)
        self._provider_limit.first_token()

    def _first(self) -> None:
        """Note that the answer's first substance is there."""
        if self.tried is not None:
            self.tried.first_token = time.monotonic() - self.tried.began
            self._execution.route.answered(self._place, self.tried.first_token)

    def _usage(self, cut: bool) -> Usage | None:
        """Return the usage for a client that asked for it: the provider's word, or for a cut answer the estimate."""
        if not self.chain.stopped and not cut:
            told = self._ledger.told
            if told is not None or self.call is None or self.call.operation.answers_text:
                return told
        if not self._ledger.running:  # no provider was at work
            return Usage(0, 0)
        bill = self._ledger.attempt()
        if (capped := self._capped()) is not None:  # what the client got, whatever the provider's tokenizer makes of it
            return replace(bill.usage, completion=bill.usage.reasoning + capped, details=ESTIMATED)
        return bill.usage if bill.source == "reported" else replace(bill.usage, details=ESTIMATED)

    def _capped(self) -> int | None:
        """Return the tokens of the answer without its thoughts, if a cap counted them in each choice."""
        counted = self.chain.counted
        return sum(counted.values()) if counted and counted.keys() == self._seen else None

    def _feed(self, event: Event) -> list[Event]:
        try:
            return self.chain.feed(event)
        except Rejected:
            raise
        except Exception as failure:
            raise self._raised(failure) from None

    def _raised(self, failure: Exception) -> GatewayError:
        self._state = State.FAILED
        if isinstance(failure, OverBudget):
            return TooComplex(failure)
        log.error("%s: a policy raised %s", self._record.id, where_it_failed(failure))
        return PolicyFailed(FAILED)

    async def _finish_unfinished(self, out: list[Event]) -> None:
        """End a whole answer: choices that the provider did not finish end as `stop`, then the chain ends."""
        if not self._seen:
            raise UpstreamError("The provider sent an empty answer.", code="empty_answer")
        for choice in sorted(self._seen - self.chain.finished.keys()):
            await self._fold_slices(Finish(choice, "stop"), out)
        await self._fold_slices(End("natural"), out)

    def over(self) -> bool:
        """Tell whether a policy's stop has ended the last choice. Then the provider is not waited for."""
        return bool(self.chain.stopped) and len(self.chain.finished) >= max(self._execution.choices, len(self._seen))

    def _let_go(self) -> None:
        """Drop a large prompt: the client gets its first event, so no other attempt will be made."""
        if self._execution.lease.held > SMALL_PROMPT and not self._keeps_body:
            self._ledger.let_go()
            self._execution.let_go()
            if self.call is not None:
                self.call.body.clear()

    async def _send(self, out: Sequence[Event]) -> None:
        if self._unsent:  # what the client did not take at once, or an interrupted write did not send
            await self._down.event(self._unsent)
            self._unsent = b""
        if self._state is State.QUIET:
            begun = self._prelude.until_begun(out)
            if begun is None:
                return
            out = begun
            self._state = State.FLOWING
            self._record.began()
            self._record.provider_id = self.meta.id
            self._sink.use(self.meta)
        data = self._sink.encode(out)
        if data and not self._down.try_write(data):
            if not self._down.committed:
                self._let_go()
            self._unsent = data
            await self._down.event(data)
            self._unsent = b""
