"""What every route has in common: ids, who is asking, bounded bodies, JSON answers."""

import os
import re
from typing import Any, Final

from proxy.access.address import client_address
from proxy.access.bodies import Lease
from proxy.access.keys import Client
from proxy.access.origin import check_origin
from proxy.errors import Forbidden, GatewayError, InvalidRequest
from proxy.formats.footprint import DECLARED
from proxy.formats.openai_chat.envelope import envelope, error_headers
from proxy.streaming.response import Headers, Message, Receive, Scope, Send, json_body
from proxy.version import Version

WORTH_READING = 64 * 1024
"""Bytes of a refused request's body that are read so that its connection can be used again."""

USUAL_PREFIX: Final = "chatcmpl-"
"""What ids begin with where no operation says it."""

_REQUEST_ID = re.compile(rb"[\w.:-]{1,128}", re.ASCII)


class ClientLeft(Exception):
    """The client went away before it had sent its request."""


def mint_id(prefix: str = USUAL_PREFIX) -> str:
    """An id for a request, in OpenAI's form, 128 bits of it random."""
    return f"{prefix}{os.urandom(16).hex()}"


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header called `name` (lower case)."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def id_headers(scope: Scope, id: str) -> Headers:
    """`x-request-id`, the client's own if it sent a usable one, and `x-sluice-id`."""
    given = header(scope, b"x-request-id")
    shown = given if given is not None and _REQUEST_ID.fullmatch(given) else id.encode()
    return [(b"x-request-id", shown), (b"x-sluice-id", id.encode())]


def peer_address(scope: Scope, version: Version) -> str | None:
    """The address of the client, as far as it is known."""
    peer = scope.get("client")
    return client_address(peer and peer[0], scope["headers"], version.config.server.trusted_proxies)


def admit(version: Version, scope: Scope) -> Client:
    """Who is asking. Raises `Unauthorized`, `Forbidden` or `InvalidRequest` for those who may not."""
    check_origin(scope["method"], scope["headers"], version.config)
    return version.keyring.identify(scope["headers"])


def admit_admin(version: Version, scope: Scope) -> Client:
    """As `admit`, for operators: with keys, only one with `admin: true` will do. Raises `Forbidden` for the others."""
    client = admit(version, scope)
    if not client.admin:
        message = "This needs an admin key: use one, or have the operator set `admin: true` on yours in `auth.keys`."
        raise Forbidden(message, code="admin_only")
    return client


async def read_body(scope: Scope, receive: Receive, most: int, lease: Lease) -> bytes:
    """The request's body, at most `most` bytes; `lease` holds what has come. Raises `InvalidRequest` (413, 415),
    `Overloaded` and `ClientLeft`."""
    encoding = header(scope, b"content-encoding")
    if encoding not in (None, b"", b"identity"):
        raise InvalidRequest("Compressed bodies are not taken: send it without content-encoding.", status=415)
    declared = _declared(scope)
    if declared > most:
        raise _too_large(most)
    lease.check(DECLARED * declared)
    pieces: list[bytes] = []
    size = 0
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > most:
            raise _too_large(most)
        lease.hold(size)
        if not message.get("more_body", False):
            return b"".join(pieces)


def has_long_body(scope: Scope) -> bool:
    """Whether a request's body may be longer than what is worth reading to keep its connection."""
    return _declared(scope) > WORTH_READING or header(scope, b"transfer-encoding") is not None


def _declared(scope: Scope) -> int:
    length = header(scope, b"content-length") or b"0"
    return int(length[:20]) if length.isdigit() else 0


async def respond(send: Send, status: int, body: dict[str, Any], headers: Headers) -> None:
    """Send a whole JSON response."""
    data, about = json_body(body)
    await send({"type": "http.response.start", "status": status, "headers": [*about, *headers]})
    await send({"type": "http.response.body", "body": data})


async def refuse(send: Send, error: GatewayError, headers: Headers, *, ends: bool = False) -> None:
    """Send an error in OpenAI's envelope. `ends`: the connection ends behind it, as it does where the client is not
    one to read a body from."""
    extra: Headers = [(b"connection", b"close")] if ends or error.status in (401, 403, 413, 415) else []
    await respond(send, error.status, envelope(error), [*error_headers(error), *extra, *headers])


def _too_large(most: int) -> InvalidRequest:
    return InvalidRequest(
        f"The body is larger than the {most} bytes that this gateway takes (server.max_body_mb): send less.",
        status=413,
        code="request_too_large",
    )
