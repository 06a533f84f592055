"""The native streams: an HTTP request to the provider, its bytes through the SSE parser and the provider's codec.

Transport: aiohttp used directly, the cheapest of those measured (docs/performance.md). No redirects, no cookies, no
compression; proxy variables and CA bundle of the environment hold. One session for the process, without a limit of its
own: `max_streams` is the limit.
"""

import asyncio
import contextlib
import functools
import os
import re
import ssl
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import replace

import aiohttp

from policies.events import End, Event
from proxy.errors import UpstreamError, UpstreamTimeout
from proxy.upstreams import failures
from proxy.upstreams.base import Answer, Call
from proxy.upstreams.requests import HttpRequest, prepare
from proxy.wire import sse
from proxy.wire.anthropic import AnthropicDecoder
from proxy.wire.base import Decoder, Fault, Meta
from proxy.wire.gemini import GeminiDecoder
from proxy.wire.openai import OpenAIDecoder

MOST_ERROR_BYTES = 64 * 1024
"""How much of a provider's error body is read."""

MOST_AT_ONCE = 64 * 1024
"""How much of an answer is read at once: events, texts and bytes to send are made of it while a slow client waits."""

MOST_WHOLE_BYTES = 64 * 1024 * 1024
"""The largest whole answer that is read."""

ERROR_SECONDS = 5
"""How long reading it may take."""

WHOLE = {"whole": "native"}
_NAMES_STREAM = re.compile(r"\bstream(ing|ed)?\b(?!_)", re.IGNORECASE)

LINGER = 0.25
"""Seconds that a finished answer's connection gets to end its body, so that it can be used again."""


class NativeUpstream:
    """Calls OpenAI-format servers, Anthropic and Gemini in their own wire formats."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def open(self, call: Call) -> Answer:
        """Send the request, wait for the head of a 200. Raises `InvalidRequest` (the request can't be mapped) or
        `UpstreamError`."""
        try:
            return await self._attempt(call)
        except UpstreamError as error:
            if not _refuses_to_stream(error):
                raise
        return await self._attempt(replace(call, stream=False, settings=call.settings.model_copy(update=WHOLE)))

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _attempt(self, call: Call) -> Answer:
        request = prepare(call)
        response = await self._send(call, request)
        if response.status == 200:
            return NativeAnswer(response, _decoder(call, request), call, streamed=request.stream)
        try:
            body = await _read_error(response)
            raise failures.failure(call, response.status, response.headers, body)
        finally:
            response.close()

    async def _send(self, call: Call, request: HttpRequest) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=call.timeouts.connect)
        try:
            return await self._opened().post(
                request.url,
                data=request.body,
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy(request.url),
            )
        except (TimeoutError, aiohttp.ConnectionTimeoutError):
            message = f"The provider {call.provider_name!r} could not be reached in time (timeouts.connect)."
            raise UpstreamTimeout(message, code="connect_timeout") from None
        except aiohttp.ClientSSLError as error:
            untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
            why = "has a certificate that this gateway does not trust" if untrusted else "speaks no TLS at its address"
            message = f"The provider {call.provider_name!r} {why}: ask the operator to check it."
            raise UpstreamError(message, code="tls_error") from None
        except aiohttp.ClientConnectorError:
            message = f"The provider {call.provider_name!r} could not be reached."
            raise UpstreamError(message, code="connect_error") from None
        except (aiohttp.ClientError, OSError):
            raise _died(call.provider_name) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A bundle named by the environment, as other HTTP clients take it; OpenSSL itself reads SSL_CERT_FILE.
            bundle = os.environ.get("REQUESTS_CA_BUNDLE")
            connector = aiohttp.TCPConnector(
                limit=0, limit_per_host=0, keepalive_timeout=60, ssl=ssl.create_default_context(cafile=bundle)
            )
            connector._factory = functools.partial(  # type: ignore[assignment]
                _Handler, loop=asyncio.get_running_loop()
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            )
        return self._session

    def _proxy(self, url: str) -> str | None:
        """The environment's proxy for `url`, looked up once for each host. (aiohttp's own `trust_env` would add netrc's
        logins.)"""
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._proxies:
            bypass = bool(urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]))
            self._proxies[origin] = None if bypass else urllib.request.getproxies().get(parts.scheme)
        return self._proxies[origin]


class _Handler(aiohttp.client_proto.ResponseHandler):
    """aiohttp (3.14) resumes reading after every read, paused or not, and runs its parser once more for it: a tenth of
    what a chunk costs."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._reading_paused:
            super().resume_reading(resume_parser)


class NativeAnswer:
    """A running answer. `streamed` tells whether events were asked for; a JSON body is taken for a whole answer all the
    same."""

    def __init__(self, response: aiohttp.ClientResponse, decoder: Decoder, call: Call, *, streamed: bool) -> None:
        self._response = response
        self._content = response.content
        self._decoder = decoder
        self._call = call
        self._parser = sse.Parser()
        self._streamed = streamed and response.content_type != "application/json"
        self._body = bytearray()
        self._ended = False
        self._broken = False
        self.meta: Meta = decoder.meta

    async def read(self) -> Sequence[Event | Fault]:
        """See `Answer.read`."""
        while True:
            try:
                data = b"" if self._broken else await self._content.read(MOST_AT_ONCE)
            except (aiohttp.ClientError, OSError):
                data = self._rest()
            if self._broken and not data:
                raise _died(self._call.provider_name)
            events = self._decode(data) if self._streamed else self._collect(data)
            if events:
                last = events[-1]
                self._ended = isinstance(last, End)
                return [*events[:-1], _reported(self._call, last)] if isinstance(last, Fault) else events
            if not data:
                raise _died(self._call.provider_name)

    def _rest(self) -> bytes:
        """What came before the connection broke, which may well be the end of the answer."""
        self._broken = True
        self._content.set_exception(None)  # type: ignore[arg-type]  # with one it gives nothing
        return self._content.read_nowait()

    def _decode(self, data: bytes) -> Sequence[Event | Fault]:
        try:
            records = self._parser.feed(data) if data else self._parser.eof()
        except sse.EventTooLarge:
            return [Fault("The provider sent an event larger than this gateway takes.", kind="event_too_large")]
        if len(records) == 1 and data:
            return self._decoder.decode(*records[0])
        events: list[Event | Fault] = []
        for record in records:
            events += self._decoder.decode(*record)
        return events if data else [*events, *self._decoder.eof()]

    def _collect(self, data: bytes) -> Sequence[Event | Fault]:
        self._body += data
        if len(self._body) > MOST_WHOLE_BYTES:
            return [Fault("The provider sent an answer larger than this gateway takes.", kind="answer_too_large")]
        return () if data else self._decoder.whole(bytes(self._body))

    async def aclose(self) -> None:
        """See `Answer.aclose`. An answer that did not end by itself is closed before anything is awaited."""
        if self._ended and not self._broken and not self._content.at_eof():
            await self._linger()
        if self._ended and self._content.at_eof():
            self._response.release()
        else:
            self._response.close()

    async def _linger(self) -> None:
        """Give the provider a moment to end the body behind its last event."""
        try:
            async with asyncio.timeout(LINGER):
                await self._content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            self._ended = False
        except asyncio.CancelledError:
            self._response.close()
            raise


def _decoder(call: Call, request: HttpRequest) -> Decoder:
    match call.provider.api or call.provider_name:
        case "anthropic":
            return AnthropicDecoder(call.guarded, request.json_tool, request.tool_names)
        case "gemini":
            return GeminiDecoder(call.guarded)
        case _:
            return OpenAIDecoder(call.guarded)


def _reported(call: Call, fault: Fault) -> Fault:
    """An error that the provider reported in its answer, fit for the client: without our key, and in a guarded chain
    without the provider's words, since some quote the answer in them."""
    if fault.status in (401, 402, 403):
        return Fault(
            f"The provider {call.provider_name!r} did not accept this gateway's credentials.",
            502,
            "provider_auth_error",
        )
    if call.guarded:
        return Fault(
            f"The provider {call.provider_name!r} reported an error in its answer: try again.", fault.status, fault.kind
        )
    return Fault(failures.scrubbed(fault.message, call), fault.status, fault.kind)


async def _read_error(response: aiohttp.ClientResponse) -> bytes:
    """What the provider says of its refusal, as much of it as came and is worth reading."""
    body = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(ERROR_SECONDS):
            while len(body) < MOST_ERROR_BYTES and (data := await response.content.readany()):
                body += data
    return body[:MOST_ERROR_BYTES]


def _refuses_to_stream(error: UpstreamError) -> bool:
    if error.provider_status != 400:
        return False
    return error.param == "stream" or bool(_NAMES_STREAM.search(error.message))


def _died(provider: str) -> UpstreamError:
    return UpstreamError(
        f"The provider {provider!r} closed the connection before its answer was complete: try again.",
        code="upstream_died",
    )
