"""A native stream's running answer: its bytes through the SSE parser and the provider's codec.

Rule: what arrives while somebody waits goes to them at once (`proxy.providers.http.connection`), if they take such;
what they leave, and all else, is taken from the body a slice at a time, whose bound is the back-pressure on the
provider.
"""

import enum
import functools
from collections.abc import Sequence
from typing import Final, Protocol

from policies.events import End, Event, Text, Usage
from policies.steps import finished
from proxy.errors import AnswerTooLarge, UpstreamError
from proxy.formats import jsonmarks, sse
from proxy.formats.base import DecodeError, Decoder, Meta
from proxy.formats.template import Template
from proxy.providers import failures
from proxy.providers.base import BatchResult, Call, OnBatch
from proxy.providers.http.body import Body
from proxy.turns import Turns

MAX_VALUES: Final = 300_000
"""JSON values and names of members in one event or whole answer. More take the parser above 50 ms, in which nothing
else runs, and a hundred times their bytes in memory."""


_TOO_MANY: Final = DecodeError(
    "The provider sent more JSON values than this gateway takes at once.", kind="event_too_large"
)


_PAGE: Final = "sent a web page in place of an answer (ask the operator to check its base_url)"


class Response(Protocol):
    """The part of aiohttp's response that an answer needs."""

    def release(self) -> object:
        """Give its connection back to the pool."""

    def close(self) -> None:
        """Close its connection."""


def give_back(response: Response, whole: bool) -> None:
    """Give a response's connection back to the pool if its body is over to the byte (`whole`); else close it."""
    if whole:
        response.release()
    else:
        response.close()


class _Form(enum.Enum):
    """The form of an answer. The first bytes tell it, and the content type does not: JSON is a whole answer or an
    error, and servers send events as `application/json`."""

    UNKNOWN = "unknown"
    """Events were asked for. The first byte that is no blank leads to one of the others."""
    EVENTS = "events"
    PAGE = "page"
    """A web page, in which no event will be found."""
    WHOLE = "whole"
    """One JSON document. An answer that was not asked to stream begins here."""


class _Stage(enum.Enum):
    """How far an answer is: RUNNING, then ENDED or OVERRUN, and from each of them CLOSED."""

    RUNNING = "running"
    ENDED = "ended"
    """Its last event was read, and nothing came behind it: its connection can be used again."""
    OVERRUN = "overrun"
    """Something came behind its last event."""
    CLOSED = "closed"


def _leave(events: Sequence[Event | DecodeError]) -> BatchResult:
    return BatchResult.LEFT


class NativeAnswer:
    """A running answer. `streamed`: events were asked for. Looking through a large whole answer is done in `turns`."""

    def __init__(
        self, response: Response, body: Body, decoder: Decoder, call: Call, turns: Turns, *, streamed: bool
    ) -> None:
        self._turns = turns
        self._response = response
        self._bytes = body
        self._decoder = decoder
        self._call = call
        self._parser = sse.Parser()
        self._template = Template()
        self._like = Text(0, "content", "")
        self._clean = False
        self._form = _Form.UNKNOWN if streamed else _Form.WHOLE
        self._stage = _Stage.RUNNING
        self._body = bytearray()
        self._on_batch: OnBatch = _leave
        self._left: Sequence[Event | DecodeError] | Exception | None = None
        self.meta: Meta = decoder.meta

    async def read(self, on_batch: OnBatch | None = None) -> Sequence[Event | DecodeError]:
        """See `Answer.read`."""
        if self._left is None:
            listens = self._form is not _Form.WHOLE and on_batch is not None
            if on_batch is not None:
                self._on_batch = on_batch
            await self._bytes.ready(self._arrived if listens else None)
        left, self._left = self._left, None
        if isinstance(left, Exception):
            raise left
        if left is not None:
            return left
        if data := self._bytes.take():
            return self._events(data)
        if self._bytes.over:
            events = await self._whole() if self._form is _Form.WHOLE else self._events(b"")
            if events:
                return events
            raise died(self._call.provider_name, _PAGE if self._form is _Form.PAGE else None)
        if self._bytes.broken:
            raise died(self._call.provider_name, self._bytes.fault)
        return ()

    async def aclose(self) -> None:
        """See `Answer.aclose`. Nothing is waited for: the connection gives itself back once the body is over too."""
        stage, self._stage = self._stage, _Stage.CLOSED
        if stage is _Stage.CLOSED:
            return
        self._on_batch = _leave  # the connection may outlive the request, which it must not hold
        if stage is _Stage.ENDED:
            self._bytes.finish(functools.partial(give_back, self._response))
        else:
            self._response.close()

    def _arrived(self, piece: bytes) -> None:
        """See `proxy.providers.http.body.Listener`."""
        try:
            events = self._events(piece)
            result = self._on_batch(events)
        except Exception as failure:  # the reader's to tell
            self._left = failure
        else:
            if result is BatchResult.DONE:
                return
            self._left = events if result is BatchResult.LEFT else ()
        self._bytes.wake()

    # ---- decoding
    def _events(self, data: bytes) -> Sequence[Event | DecodeError]:
        if self._clean and (text := self._template.read(data)) is not None:
            return self._decoder.more(self._like, text, self._template.counts)
        if self._form is _Form.UNKNOWN:
            self._form = _form(data)
        return self._collect(data) if self._form is _Form.WHOLE else self._judged(self._decode(data))

    def _judged(self, events: Sequence[Event | DecodeError]) -> Sequence[Event | DecodeError]:
        last = events[-1] if events else None
        if type(last) is End and self._stage is _Stage.RUNNING:
            self._stage = _Stage.ENDED
        return failures.judged(self._call, events) if type(last) is DecodeError else events

    def _decode(self, data: bytes) -> Sequence[Event | DecodeError]:
        try:
            records = self._parser.feed(data) if data else self._parser.eof()
        except sse.EventTooLarge:
            return [DecodeError("The provider sent an event larger than this gateway takes.", kind="event_too_large")]
        events: list[Event | DecodeError] = []
        for record in records:
            if len(record.data) > MAX_VALUES and finished(jsonmarks.values(record.data, MAX_VALUES)) > MAX_VALUES:
                return [*events, _TOO_MANY]
            found = self._decoder.decode(*record)
            events += found
            if found and type(found[-1]) is End:
                if record is not records[-1] or not self._ends_with(data, record.data):
                    self._stage = _Stage.OVERRUN
                break
        self._learn(data, len(records), events)
        return events if data else [*events, *self._decoder.eof()]

    def _ends_with(self, data: bytes, last: bytes) -> bool:
        """Tell whether only blank lines came behind the `last` event's data. `data` has the end of it at least."""
        rest = data.rstrip(b"\r\n")
        return self._parser.blank and (rest.endswith(last) or last.endswith(rest))

    def _learn(self, data: bytes, records: int, events: Sequence[Event | DecodeError]) -> None:
        """Cache the bytes around an event's text, so that similar events skip parsing. Learn only from an event that
        gave a text and counts: after anything else the decoder may take the same bytes for something else.

        Without this an OpenAI chunk is 50 to 80 % more work, one of Anthropic or Gemini a quarter."""
        alone = self._clean and records == 1
        self._clean = self._parser.clean
        counted = len(events) == 2 and type(events[1]) is Usage
        texts = [event for event in events[: len(events) - counted] if type(event) is Text]
        if not len(texts) == len(events) - counted == records:
            self._template.forget()
        elif alone and self._clean and self._template.learn(data, texts[0].text, counted=counted):
            self._like = texts[0]

    def _collect(self, data: bytes) -> Sequence[Event | DecodeError]:
        self._body += data
        if len(self._body) > self._call.max_answer:
            self._body.clear()
            raise AnswerTooLarge
        return ()

    async def _whole(self) -> Sequence[Event | DecodeError]:
        """Return all of an answer that came in one piece. Its values are counted before it is parsed."""
        body = bytes(self._body)
        large = len(body) > MAX_VALUES
        heavy = large and await self._turns.take(jsonmarks.values(body, MAX_VALUES)) > MAX_VALUES
        self._body.clear()
        return self._judged([_TOO_MANY] if heavy else self._decoder.whole(body))


def _form(data: bytes) -> _Form:
    """Return the form of an answer that begins with `data`."""
    begun = data.lstrip()[:1]
    if not begun:
        return _Form.UNKNOWN
    return _Form.WHOLE if begun in (b"{", b"[") else _Form.PAGE if begun == b"<" else _Form.EVENTS


def died(provider: str, fault: str | None = None) -> UpstreamError:
    """Make the error of an answer that broke off. `fault` says what the provider did, if that is known."""
    why = fault or "closed the connection before its answer was complete"
    return UpstreamError(f"The provider {provider!r} {why}: try again.", code="upstream_died")
