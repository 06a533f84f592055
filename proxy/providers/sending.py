"""Requests to providers, until the head of the answer: one session for the process, whatever engine asks.

Transport: aiohttp used directly, the cheapest of those measured (docs/performance.md). No redirects, no cookies, no
compression; proxy variables and CA bundle of the environment hold. There is no limit of connections: `max_streams` is
the limit.
"""

import asyncio
import contextlib
import functools
import os
import ssl
import urllib.parse
import urllib.request
from typing import Final

import aiohttp

from proxy.access.connections import NO_DESCRIPTORS, no_descriptors
from proxy.errors import UpstreamError, UpstreamTimeout
from proxy.providers import failures
from proxy.providers.answer import died
from proxy.providers.base import Call
from proxy.providers.http import writing
from proxy.providers.http.body import Body
from proxy.providers.http.connection import Connection, Refused, Stale
from proxy.providers.outbound import HttpRequest
from proxy.providers.unreachable import reason
from proxy.turns import Turns

MAX_ERROR_BYTES: Final = 64 * 1024
"""How much of a provider's error body is read."""

MAX_ERROR_SECONDS = 5
"""How long reading it may take."""

MAX_STALE: Final = 8
"""Connections that are tried when the provider closes each before anything is written on it."""


class Sender:
    """Sends requests. For use by one event loop, whose `turns` are for long work on the answers."""

    def __init__(self, turns: Turns | None = None) -> None:
        self.turns = turns or Turns()
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def send(self, call: Call, request: HttpRequest) -> aiohttp.ClientResponse:
        """The head of the answer. A connection that turns out to be closed before anything was written is no failure.
        Raises `UpstreamError`."""
        for _ in range(MAX_STALE):
            with contextlib.suppress(Stale):
                return await self._attempt(call, request)
        raise died(call.provider_name)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _attempt(self, call: Call, request: HttpRequest) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=call.timeouts.connect)
        try:
            return await self._opened().request(
                request.method,
                request.url,
                data=writing.Body(request.body, call.sending),
                headers=request.headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy(str(request.url)),
            )
        except Stale:
            raise
        except Refused as refused:
            raise died(call.provider_name, str(refused)) from None
        except (TimeoutError, aiohttp.ConnectionTimeoutError):
            message = f"The provider {call.provider_name!r} could not be reached in time (timeouts.connect)."
            detail = f"no connection within {call.timeouts.connect:g} s"
            raise UpstreamTimeout(message, code="connect_timeout", detail=detail) from None
        except aiohttp.ClientSSLError as error:
            untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
            why = "has a certificate that this gateway does not trust" if untrusted else "speaks no TLS at its address"
            message = f"The provider {call.provider_name!r} {why}: ask the operator to check it."
            raise UpstreamError(message, code="tls_error", detail=reason(error)) from None
        except aiohttp.ClientConnectorError as error:
            if error.os_error.errno in NO_DESCRIPTORS:
                self._close_idle()
                raise no_descriptors() from None
            message = f"The provider {call.provider_name!r} could not be reached."
            raise UpstreamError(message, code="connect_error", detail=reason(error)) from None
        except (aiohttp.ClientError, OSError) as error:
            failed = died(call.provider_name)
            failed.detail = reason(error)
            raise failed from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A bundle named by the environment, as other HTTP clients take it; OpenSSL itself reads SSL_CERT_FILE.
            bundle = os.environ.get("REQUESTS_CA_BUNDLE")
            connector = aiohttp.TCPConnector(
                limit=0, limit_per_host=0, keepalive_timeout=60, ssl=ssl.create_default_context(cafile=bundle)
            )
            connector._factory = functools.partial(  # type: ignore[assignment]
                Connection, loop=asyncio.get_running_loop(), turn=self.turns.turn
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


def body_of(response: aiohttp.ClientResponse) -> Body | None:
    """The response's body; None if it has none, and its connection is given back."""
    protocol = None if response.connection is None else response.connection.protocol
    return protocol.body if isinstance(protocol, Connection) else None


async def refusal(call: Call, response: aiohttp.ClientResponse) -> UpstreamError:
    """The client's error for an answer that is none. The connection is closed, or given back."""
    body = body_of(response)
    try:
        said = b"" if body is None else await _read_error(body)
        return failures.failure(call, response.status, response.headers, said)
    finally:
        if body is not None and body.over:
            response.release()
        response.close()


async def _read_error(body: Body) -> bytes:
    """What the provider says of its refusal, as much of it as came and is worth reading."""
    said = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MAX_ERROR_SECONDS):
            while len(said) < MAX_ERROR_BYTES and not body.over and not body.broken:
                await body.ready()
                said += body.take()
    return said[:MAX_ERROR_BYTES]
