"""Calls through `litellm.acompletion`: the providers that Sluice does not speak to itself, and any with `engine:
litellm`.

Theory: LiteLLM gives an async iterator of chunks in OpenAI's format, which our own decoder for that format reads.
Cancelling such an iterator's `__anext__` kills it, so one task reads it and hands over one chunk at a time; who waits
for a chunk may be cancelled and come back. Leaving an iterator alone does not close its connection: the task closes it
whatever ends it.

Some providers' requests are sent only with the first `__anext__`: `open` waits for the first chunk, so that a refusal
is an HTTP status for all of them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policies.events import Event
from proxy.errors import UpstreamError
from proxy.tasks import spawn
from proxy.upstreams import litellm
from proxy.upstreams.arguments import arguments
from proxy.upstreams.base import Answer, AtOnce, Call
from proxy.upstreams.boundary import mapped
from proxy.upstreams.failures import judged
from proxy.upstreams.litellm_chunks import Chunks
from proxy.upstreams.litellm_failures import litellm_failure
from proxy.wire.base import Fault, Meta
from proxy.wire.jsontext import dumps
from proxy.wire.openai import OpenAIDecoder
from proxy.workers import Workers

_AHEAD = 1
"""Chunks that LiteLLM may be ahead of the reader."""

_MOMENT = 0.001
"""Seconds between looks at whether a request is made."""


class LiteLLMEngine:
    """The `Upstream` of everything that goes through LiteLLM."""

    keeps_body = True

    def __init__(self, workers: Workers | None = None) -> None:
        self._workers = workers or Workers()

    async def open(self, call: Call) -> Answer:
        """See `Upstream.open`. Waits for the first chunk."""
        answer = LiteLLMAnswer(call, await mapped(arguments, call, self._workers))
        try:
            await answer.begun()
        except BaseException:
            await answer.aclose()
            raise
        return answer

    async def aclose(self) -> None:
        """Close the clients that LiteLLM keeps."""
        await litellm.aclose()


@dataclass(frozen=True, slots=True)
class _Whole:
    """A whole answer, in place of chunks."""

    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Over:
    """The iterator is at its end, by itself or by `error`."""

    error: Exception | None = None


class LiteLLMAnswer:
    """A running answer; see `proxy.upstreams.base.Answer`."""

    def __init__(self, call: Call, named: dict[str, Any]) -> None:
        self._call = call
        self._decoder = OpenAIDecoder(call.guarded)
        self._chunks = Chunks()
        self.meta: Meta = self._decoder.meta
        self._handed: asyncio.Queue[dict[str, Any] | _Whole | _Over] = asyncio.Queue(_AHEAD)
        self._begun = asyncio.Event()
        self._over: _Over | None = None
        self._closing = False
        self._pump = spawn(self._run(named))

    async def begun(self) -> None:
        """Wait for the first chunk, and leave it to `read`. Raises what came instead."""
        await self._begun.wait()
        if self._over is not None:
            raise self._failed(self._over)

    async def read(self, at_once: AtOnce | None = None) -> Sequence[Event | Fault]:
        """See `Answer.read`. Nothing goes to `at_once`: LiteLLM's chunks come by a task of its own."""
        while True:
            item = await self._handed.get()
            events: Sequence[Event | Fault]
            match item:
                case _Over(None):
                    events = self._decoder.eof()
                    if not events:
                        raise self._failed(item)
                case _Over():
                    raise self._failed(item)
                case _Whole(answer):
                    events = self._decoder.whole(dumps(answer))
                case chunk:
                    events = self._decoder.decode(None, dumps(chunk))
            if events:
                return judged(self._call, events)

    async def aclose(self) -> None:
        """See `Answer.aclose`. A caller cancelled meanwhile leaves the closing to the task."""
        if not self._closing:  # a second cancel would interrupt the closing itself
            self._closing = True
            self._pump.cancel()
        await asyncio.wait({self._pump})

    async def _run(self, named: dict[str, Any]) -> None:
        """Read LiteLLM's answer until its end, a failure, or the cancel."""
        try:
            over = _Over()
            await self._relay(await _opened(named), named["stream"])
        except Exception as error:
            over = _Over(error)
        if not self._begun.is_set():
            self._over = over
            self._begun.set()
        await self._handed.put(over)

    async def _relay(self, answer: Any, streamed: bool) -> None:
        if not streamed:
            await self._hand(_Whole(self._chunks.plain(answer)))
            return
        try:
            async for chunk in answer:
                await self._hand(self._chunks.plain(chunk))
        finally:
            await answer.aclose()

    async def _hand(self, item: dict[str, Any] | _Whole) -> None:
        await self._handed.put(item)
        self._begun.set()

    def _failed(self, over: _Over) -> Exception:
        if over.error is not None:
            return litellm_failure(self._call, over.error, begun=over is not self._over)
        return UpstreamError(
            f"The provider {self._call.provider_name!r} ended its answer before it was complete: try again.",
            code="upstream_died",
        )


async def _opened(named: dict[str, Any]) -> Any:
    """LiteLLM's answer. A cancel waits for the moment in which LiteLLM can be cancelled."""
    opening = spawn(litellm.completion(**named))
    try:
        await asyncio.wait({opening})
    except asyncio.CancelledError:
        while litellm.is_preparing(opening):
            await asyncio.sleep(_MOMENT)
        opening.cancel()
        await asyncio.wait({opening})
        if named["stream"] and not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()
        raise
    return opening.result()
