"""The HTTP clients that LiteLLM gets. What they send goes out through the exchange of the call at hand.

Rule: without a call nothing is sent. A client's own settings (redirects, time-outs, certificates) have no effect:
`proxy.providers.exchange` says what holds.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

import httpx

from proxy.errors import GatewayError
from proxy.providers.exchange import Exchange, Reply, current

_T = TypeVar("_T")


class NotSent(httpx.TransportError):
    """The gateway did not send a request, or got no good answer: the exchange knows why."""


def asynchronous() -> httpx.AsyncClient:
    """A client for LiteLLM's event loop."""
    return httpx.AsyncClient(transport=Transport(), trust_env=False)


def synchronous() -> httpx.Client:
    """A client for the threads in which LiteLLM prepares requests: it asks for a token there, for some providers."""
    return httpx.Client(transport=BlockingTransport(), trust_env=False)


class Transport(httpx.AsyncBaseTransport):
    """Sends through the exchange, from another event loop."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`. Raises `NotSent`."""
        exchange = _exchange(request)
        body = await request.aread()
        reply = await _there(exchange, exchange.send(*_parts(request), body), request)
        return httpx.Response(reply.status, headers=reply.headers, stream=_Stream(exchange, reply, request))


class BlockingTransport(httpx.BaseTransport):
    """Sends through the exchange, from a thread without an event loop."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.BaseTransport`. Raises `NotSent`."""
        exchange = _exchange(request)
        if _has_loop():
            raise NotSent("a blocking request would hold up every call", request=request)
        reply = _blocking(exchange, exchange.send(*_parts(request), request.read()), request)
        return httpx.Response(reply.status, headers=reply.headers, stream=_BlockingStream(exchange, reply, request))


class _Stream(httpx.AsyncByteStream):
    """An answer's bytes."""

    def __init__(self, exchange: Exchange, reply: Reply, request: httpx.Request) -> None:
        self._exchange = exchange
        self._reply = reply
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await _there(self._exchange, self._exchange.read(self._reply), self._request):
            yield data

    async def aclose(self) -> None:
        """See `httpx.AsyncByteStream`."""
        self._exchange.loop.call_soon_threadsafe(self._reply.close)


class _BlockingStream(httpx.SyncByteStream):
    """The same for a thread without an event loop."""

    def __init__(self, exchange: Exchange, reply: Reply, request: httpx.Request) -> None:
        self._exchange = exchange
        self._reply = reply
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        while data := _blocking(self._exchange, self._exchange.read(self._reply), self._request):
            yield data

    def close(self) -> None:
        """See `httpx.SyncByteStream`."""
        self._exchange.loop.call_soon_threadsafe(self._reply.close)


def _exchange(request: httpx.Request) -> Exchange:
    exchange = current.get(None)
    if exchange is None:
        raise NotSent("there is no call that this request could belong to", request=request)
    return exchange


def _parts(request: httpx.Request) -> tuple[str, str, dict[str, str]]:
    return request.method, str(request.url), dict(request.headers)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _there(exchange: Exchange, work: Coroutine[Any, Any, _T], request: httpx.Request) -> _T:
    """Have `work` done on the exchange's loop."""
    try:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, exchange.loop))
    except GatewayError:
        raise NotSent("the exchange has the failure", request=request) from None


def _blocking(exchange: Exchange, work: Coroutine[Any, Any, _T], request: httpx.Request) -> _T:
    try:
        return asyncio.run_coroutine_threadsafe(work, exchange.loop).result()
    except GatewayError:
        raise NotSent("the exchange has the failure", request=request) from None
