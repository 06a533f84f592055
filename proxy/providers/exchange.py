"""The requests that LiteLLM makes for one call, on the gateway's own connections.

Theory. LiteLLM knows each provider's address, headers and format; it hands over what is to be sent, and gets the bytes
of a good answer. All else ends here: a refusal, a redirect, a broken answer is judged as the native engine's, and
LiteLLM sees none of its text. So no message of a provider's runs through LiteLLM's mapping of errors, and each bound of
the native engine holds for every provider.

Rule: an exchange belongs to the gateway's event loop. LiteLLM's thread reaches it through `proxy.providers.clients`.
"""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Final

import aiohttp
from yarl import URL

from proxy.errors import AnswerTooLarge, GatewayError, UpstreamError
from proxy.formats import jsonmarks
from proxy.formats.registry import FORMATS
from proxy.providers.answer import MAX_VALUES, died, give_back
from proxy.providers.base import Call
from proxy.providers.outbound import HttpRequest
from proxy.providers.sending import Sender, body_of, refusal
from proxy.turns import Turns

MAX_REQUESTS: Final = 8
"""Requests that one call may make: a token, a file, the model itself."""

MAX_BYTES: Final = 64 * 2**20
"""The largest streamed answer. Some of LiteLLM's readers collect what they cannot read."""

MAX_LINE: Final = 8 * 2**20
"""The longest line of an answer of server-sent events."""

_ENDS: Final = tuple(facts.last_event for facts in FORMATS.values() if facts.last_event)
"""What the last event of an answer begins with. LiteLLM would wait for the end of the connection."""

_FINISH: Final = b'"finishReason"'
"""Why an answer ends, in Gemini's format. (In a text it would have backslashes.)"""

_TAIL: Final = 256
_EVENTS: Final = "text/event-stream"
_JSON: Final = "application/json"
_ASKED_AS: Final = {"accept-encoding": "identity"}
_OURS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
"""Headers that our own connection sets."""

_READ_HERE: Final = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
"""Headers of an answer that told of its bytes as they came."""

current: ContextVar["Exchange"] = ContextVar("exchange")
"""The exchange of the call at hand, in LiteLLM's thread."""


class Exchange:
    """One call's. `failure` is what to tell the client if LiteLLM fails, `answered` whether it has got an answer;
    `asked` is called as a request goes out, and `heard` as something of an answer comes."""

    def __init__(
        self, call: Call, sender: Sender, asked: Callable[[], None], heard: Callable[[], None] = lambda: None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.failure: GatewayError | None = None
        self.answered = False
        self._call = call
        self._sender = sender
        self._asked = asked
        self._heard = heard
        self._requests = 0
        self._replies: list[Reply] = []
        self._waiting: set[asyncio.Task[object]] = set()
        self._closed = False

    @property
    def told_end(self) -> bool:
        """Whether an answer in Gemini's format has told why it ends. LiteLLM's thread may ask."""
        return any(reply.told_end for reply in self._replies)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> "Reply":
        """Send a request. Gives the answer once it is known to be a good one. Raises `GatewayError`."""
        with self._failing():
            self._asked()
            self._requests += 1
            if self._requests > MAX_REQUESTS:
                raise UpstreamError(
                    f"The provider {self._call.provider_name!r} would take more than {MAX_REQUESTS} requests for one "
                    "answer.",
                    code="too_many_requests",
                )
            up = {name: value for name, value in headers.items() if name.lower() not in _OURS} | _ASKED_AS
            reply = await self._answered(HttpRequest(URL(url, encoded=True), up, body, stream=True, method=method))
            self._replies.append(reply)
            self.failure = None
            self.answered = True
            return reply

    async def read(self, reply: "Reply") -> bytes:
        """The next bytes of an answer; empty at its end. Raises `GatewayError`."""
        with self._failing():
            return await reply.read()

    def close(self) -> None:
        """End it: its connections are closed, or given back where their answers are over."""
        self._closed = True
        for task in self._waiting:
            task.cancel()
        for reply in self._replies:
            reply.close()

    async def _answered(self, request: HttpRequest) -> "Reply":
        response = await self._sender.send(self._call, request)
        if 200 <= response.status < 300:
            return Reply(response, self._call, self._sender.turns, self._heard)
        raise await refusal(self._call, response)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Keep what fails, for the client; end what waits when the exchange does."""
        task = asyncio.current_task()
        assert task is not None
        if self._closed:
            raise asyncio.CancelledError
        self._waiting.add(task)
        try:
            yield
        except GatewayError as failure:
            self.failure = failure
            raise
        finally:
            self._waiting.discard(task)


class Reply:
    """A good answer's head, and its bytes. Events are given in whole lines, and a JSON body in one piece: how many
    values they have is known before LiteLLM parses them."""

    def __init__(self, response: aiohttp.ClientResponse, call: Call, turns: Turns, heard: Callable[[], None]) -> None:
        self._turns = turns
        self.status = response.status
        self.headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _READ_HERE]
        self._response = response
        self._body = body_of(response)
        self._call = call
        self._heard = heard
        self._kind = response.content_type
        self._rest = bytearray()
        """What has come of a line, or of a JSON body."""
        self._size = 0
        self._tail = b""
        self.told_end = False
        self._ended = self._body is None

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises `UpstreamError`."""
        while not self._ended and self._body is not None:
            body = self._body
            await body.ready()
            if data := body.take():
                self._heard()
                self._count(data)
                if piece := await self._taken(data):
                    return piece
            elif body.over:
                self._ended = True
                return await self._checked(bytes(self._rest))
            elif body.broken:
                raise died(self._call.provider_name, body.fault)
        return b""

    def close(self) -> None:
        """See `Exchange.close`."""
        body, self._body = self._body, None
        if body is None:
            return
        if self._ended:
            body.finish(functools.partial(give_back, self._response))
        else:
            self._response.close()

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        if self._kind == _JSON and self._size > self._call.max_answer:
            raise AnswerTooLarge
        if self._size > MAX_BYTES:
            raise self._refused("an answer larger than this gateway takes", "answer_too_large")

    async def _taken(self, data: bytes) -> bytes:
        """What of the bytes, and of earlier ones, may go on."""
        if self._kind == _JSON:
            self._rest += data
            return b""
        if self._kind != _EVENTS:
            return data
        self._rest += data
        end = data.rfind(b"\n") + 1
        end += len(self._rest) - len(data) if end else 0
        lines = bytes(self._rest[:end])
        del self._rest[:end]
        if len(self._rest) > MAX_LINE:
            raise self._refused("an event larger than this gateway takes", "event_too_large")
        self.told_end = self.told_end or _FINISH in lines
        self._ended = self._is_last(lines)
        return await self._checked(lines)

    async def _checked(self, data: bytes) -> bytes:
        if len(data) > MAX_VALUES and await self._turns.take(jsonmarks.values(data, MAX_VALUES)) > MAX_VALUES:
            raise self._refused("more JSON values than this gateway takes at once", "event_too_large")
        return data

    def _refused(self, what: str, code: str) -> UpstreamError:
        return UpstreamError(f"The provider {self._call.provider_name!r} sent {what}.", code=code)

    def _is_last(self, lines: bytes) -> bool:
        """Whether the answer ends with an event that is the last of its format."""
        self._tail = tail = (self._tail + lines)[-_TAIL:]
        if not tail.endswith((b"\n\n", b"\n\r\n")):
            return False
        return tail.replace(b"\r\n", b"\n").rstrip().rpartition(b"\n\n")[2].startswith(_ENDS)
