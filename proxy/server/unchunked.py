"""Responses to HTTP/1.0 clients, which do not support chunks."""

import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from proxy.streaming.response import Message, Receive, Scope, Send


def unchunked(app: Any, cycle: RequestResponseCycle) -> Any:
    """Wrap `app` for an HTTP/1.0 client: a response without a length is sent as it is and ends with the connection.

    uvicorn would send it in chunks. `cycle` is the request's.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        endless = False

        async def plain(message: Message) -> None:
            nonlocal endless
            if message["type"] == "http.response.start":
                endless = not any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
                if endless:
                    cycle.chunked_encoding, cycle.expected_content_length = False, sys.maxsize
            elif endless and not message.get("more_body", False):
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, plain)

    return serve
