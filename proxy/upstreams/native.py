"""The native streams: an HTTP request to the provider, until the head of its answer.

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
from dataclasses import replace

import aiohttp

from proxy.connections import NO_DESCRIPTORS, no_descriptors
from proxy.errors import UpstreamError, UpstreamTimeout
from proxy.turns import Turns
from proxy.upstreams import failures, writing
from proxy.upstreams.answer import NativeAnswer, died
from proxy.upstreams.base import Answer, Call
from proxy.upstreams.body import Body
from proxy.upstreams.connection import Connection, Refused, Stale
from proxy.upstreams.requests import HttpRequest, prepared
from proxy.wire.anthropic import AnthropicDecoder
from proxy.wire.base import Decoder
from proxy.wire.gemini import GeminiDecoder
from proxy.wire.openai import OpenAIDecoder
from proxy.workers import Workers

MOST_ERROR_BYTES = 64 * 1024
"""How much of a provider's error body is read."""

ERROR_SECONDS = 5
"""How long reading it may take."""

MAX_STALE = 8
"""Connections that are tried when the provider closes each before anything is written on it."""

WHOLE = {"whole": "native"}
_NAMES_STREAM = re.compile(r"\bstream(ing|ed)?\b(?!_)", re.IGNORECASE)


class NativeUpstream:
    """Calls OpenAI-format servers, Anthropic and Gemini in their own wire formats."""

    keeps_body = False

    def __init__(self, workers: Workers | None = None, turns: Turns | None = None) -> None:
        self._workers = workers or Workers()
        self._turns = turns or Turns()
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
        request = await prepared(call, self._workers)
        response = await self._send(call, request)
        body = _body(response)
        if response.status == 200 and body is not None:
            return NativeAnswer(response, body, _decoder(call, request), call, streamed=request.stream)
        if response.status == 200:
            raise died(call.provider_name, "sent no answer")
        try:
            said = b"" if body is None else await _read_error(body)
            raise failures.failure(call, response.status, response.headers, said)
        finally:
            if body is not None and body.over:
                response.release()
            response.close()

    async def _send(self, call: Call, request: HttpRequest) -> aiohttp.ClientResponse:
        """The response's head. A connection that turns out to be closed before anything was written is no failure."""
        for _ in range(MAX_STALE):
            with contextlib.suppress(Stale):
                return await self._post(call, request)
        raise died(call.provider_name)

    async def _post(self, call: Call, request: HttpRequest) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=call.timeouts.connect)
        try:
            return await self._opened().post(
                request.url,
                data=writing.Body(request.body),
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy(request.url),
            )
        except Stale:
            raise
        except Refused as refused:
            raise died(call.provider_name, str(refused)) from None
        except (TimeoutError, aiohttp.ConnectionTimeoutError):
            message = f"The provider {call.provider_name!r} could not be reached in time (timeouts.connect)."
            raise UpstreamTimeout(message, code="connect_timeout") from None
        except aiohttp.ClientSSLError as error:
            untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
            why = "has a certificate that this gateway does not trust" if untrusted else "speaks no TLS at its address"
            message = f"The provider {call.provider_name!r} {why}: ask the operator to check it."
            raise UpstreamError(message, code="tls_error") from None
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno in NO_DESCRIPTORS:
                self._close_idle()
                raise no_descriptors() from None
            message = f"The provider {call.provider_name!r} could not be reached."
            raise UpstreamError(message, code="connect_error") from None
        except (aiohttp.ClientError, OSError):
            raise died(call.provider_name) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A bundle named by the environment, as other HTTP clients take it; OpenSSL itself reads SSL_CERT_FILE.
            bundle = os.environ.get("REQUESTS_CA_BUNDLE")
            connector = aiohttp.TCPConnector(
                limit=0, limit_per_host=0, keepalive_timeout=60, ssl=ssl.create_default_context(cafile=bundle)
            )
            connector._factory = functools.partial(  # type: ignore[assignment]
                Connection, loop=asyncio.get_running_loop(), turn=self._turns.turn
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            )
        return self._session

    def _close_idle(self) -> None:
        """Close the connections that wait to be used again: their descriptors are wanted."""
        connector = self._opened().connector
        for idle in () if connector is None else connector._conns.values():
            while idle:
                idle.popleft()[0].close()

    def _proxy(self, url: str) -> str | None:
        """The environment's proxy for `url`, looked up once for each host. (aiohttp's own `trust_env` would add netrc's
        logins.)"""
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._proxies:
            bypass = bool(urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]))
            self._proxies[origin] = None if bypass else urllib.request.getproxies().get(parts.scheme)
        return self._proxies[origin]


def _decoder(call: Call, request: HttpRequest) -> Decoder:
    match call.provider.api or call.provider_name:
        case "anthropic":
            return AnthropicDecoder(call.guarded, request.json_tool, request.tool_names)
        case "gemini":
            return GeminiDecoder(call.guarded, one_call=request.one_call)
        case _:
            return OpenAIDecoder(call.guarded)


def _body(response: aiohttp.ClientResponse) -> Body | None:
    """The response's body; None if it has none, and its connection is given back."""
    protocol = None if response.connection is None else response.connection.protocol
    return protocol.body if isinstance(protocol, Connection) else None


async def _read_error(body: Body) -> bytes:
    """What the provider says of its refusal, as much of it as came and is worth reading."""
    said = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ERROR_SECONDS):
            while len(said) < MOST_ERROR_BYTES and not body.over and not body.broken:
                await body.ready()
                said += body.take()
    return said[:MOST_ERROR_BYTES]


def _refuses_to_stream(error: UpstreamError) -> bool:
    if error.provider_status != 400:
        return False
    return error.param == "stream" or bool(_NAMES_STREAM.search(error.message))
