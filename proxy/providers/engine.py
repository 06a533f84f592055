"""Calls through `litellm.acompletion`: the providers that Sluice does not speak to itself, and any with `engine:
litellm`.

Theory: LiteLLM maps, in a thread of its own (`proxy.providers.litellm_thread`); what it sends goes out on the gateway's
connections (`proxy.providers.exchange`). So a call ends when the gateway says so: its connection is closed at once, and
LiteLLM's work for it is cancelled and not waited for.

LiteLLM gives an async iterator of chunks in OpenAI's format, which our own decoder for that format reads. Cancelling
such an iterator's `__anext__` kills it, so one task reads it, in that thread, and hands the chunks over. Some
providers' requests are sent only with the first `__anext__`: `open` waits for the first chunk, so that a refusal is an
HTTP status for all of them.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from policies.events import Event
from proxy.errors import GatewayError
from proxy.formats.base import DecodeError, Meta
from proxy.formats.jsontext import dumps
from proxy.providers import litellm
from proxy.providers.answer import died
from proxy.providers.base import Answer, Call, OnBatch
from proxy.providers.exchange import Exchange, current
from proxy.providers.failures import judged
from proxy.providers.handover import Handover
from proxy.providers.litellm_calls import LITELLM_CALLS, LiteLLMCall
from proxy.providers.litellm_chunks import Chunks, Cut
from proxy.providers.litellm_failures import unread, unsent
from proxy.providers.litellm_thread import LiteLLMThread
from proxy.providers.mapping.boundary import mapped
from proxy.providers.mapping.workers import Workers
from proxy.providers.sending import Sender

_AHEAD: Final = 8
"""Chunks that LiteLLM may be ahead of the reader."""


class LiteLLMEngine:
    """The `Upstream` of everything that goes through LiteLLM."""

    keeps_body = True

    def __init__(self, sender: Sender, workers: Workers | None = None) -> None:
        self._sender = sender
        self._workers = workers or Workers()
        self._thread = LiteLLMThread()

    async def open(self, call: Call) -> Answer:
        """See `Upstream.open`. Waits for the first chunk."""
        how = LITELLM_CALLS[call.operation.name]
        named = await mapped(how.arguments, call, self._workers)
        turn_over = await self._thread.turn(call.size)
        answer = LiteLLMAnswer(call, how, named, self._sender, turn_over)
        answer.start(self._thread, turn_over)
        try:
            await answer.begun()
        except BaseException:
            await answer.aclose()
            raise
        return answer

    async def aclose(self) -> None:
        """End LiteLLM's thread. (The connections are the sender's to close.)"""
        await self._thread.aclose()


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk, or a whole answer, as JSON."""

    data: bytes
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Over:
    """The answer is at its end, by itself or by `error`."""

    error: Exception | None = None


_Item: TypeAlias = _Piece | _Over


class LiteLLMAnswer:
    """A running answer; see `proxy.providers.base.Answer`."""

    def __init__(
        self, call: Call, how: LiteLLMCall, named: dict[str, Any], sender: Sender, asked: Callable[[], None]
    ) -> None:
        self._call = call
        self._function = how.function
        self._named = named
        self._streamed: bool = named.get("stream", False)
        self._decoder = how.decoder(call.guarded)
        self._handed: Handover[_Item] = Handover(_AHEAD)
        self._exchange = Exchange(call, sender, asked, self._handed.wake)
        self._left: deque[_Item] = deque()
        """Taken over, and not yet decoded."""
        self.meta: Meta = self._decoder.meta

    def start(self, thread: LiteLLMThread, over: Callable[[], None]) -> None:
        """Have LiteLLM make the call; `over` is called when it is done with it."""
        self._cancel = thread.start(self._run(), over)

    async def begun(self) -> None:
        """Wait for the first chunk, and leave it to `read`. Raises what came instead."""
        first = await self._handed.first()
        if isinstance(first, _Over):
            raise self._failed(first)

    async def read(self, on_batch: OnBatch | None = None) -> Sequence[Event | DecodeError]:
        """See `Answer.read`. Nothing goes to `on_batch`: LiteLLM's chunks come from a thread of its own."""
        if not self._left:
            self._left += await self._handed.take()
        events: list[Event | DecodeError] = []
        while self._left and not (events and isinstance(self._left[0], _Over)):
            events += self._decoded(self._left.popleft())
        return judged(self._call, events)

    async def aclose(self) -> None:
        """See `Answer.aclose`."""
        self._exchange.close()
        self._cancel()

    def _decoded(self, item: _Item) -> Sequence[Event | DecodeError]:
        match item:
            case _Piece(data, whole=True):
                return self._decoder.whole(data)
            case _Piece(data):
                return self._decoder.decode(None, data)
            case _Over(None) if events := self._decoder.eof():
                return events
        raise self._failed(item)

    def _failed(self, over: _Over) -> GatewayError:
        if isinstance(over.error, GatewayError):
            return over.error
        if self._exchange.failure is not None:
            return self._exchange.failure
        if over.error is None or isinstance(over.error, Cut):
            return died(self._call.provider_name, "ended its answer before it was complete")
        if self._exchange.answered:
            return unread(self._call, over.error, whole=not self._streamed)
        return unsent(self._call, over.error)

    # ---- in LiteLLM's thread
    def _told(self) -> bool:
        """Whether the provider has told of the answer's end, where LiteLLM would not know it: it takes each piece of
        Gemini's for one that ends with `stop`."""
        ends = litellm.keeps_ends(self._named["custom_llm_provider"], self._call.model)
        return ends or self._exchange.told_end

    async def _run(self) -> None:
        current.set(self._exchange)
        over = _Over()
        try:
            answer = await self._function(**self._named)
            await self._relay(answer, self._streamed)
        except Exception as error:
            over = _Over(error)
        await self._handed.give(over)

    async def _relay(self, answer: Any, streamed: bool) -> None:
        one_call = self._named.get("parallel_tool_calls") is False
        if not streamed:
            await self._handed.give(_Piece(dumps(Chunks(one_call=one_call).plain(answer)), whole=True))
            return
        chunks = Chunks(answer, self._told, one_call=one_call)
        try:
            async for chunk in answer:
                await self._handed.give(_Piece(dumps(chunks.plain(chunk))))
        finally:
            await answer.aclose()
