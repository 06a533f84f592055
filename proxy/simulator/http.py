"""Minimal HTTP/1.1, as much as a simulator of faults needs: parsed requests, responses as bytes.

It uses no sockets. All input is limited. A request that exceeds a limit or is invalid raises `BadRequest`, which ends
its connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import httptools

MAX_BODY = 64 * 1024 * 1024
MAX_HEAD = 64 * 1024

LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BadRequest(Exception):
    """Input that is not a request that the simulator accepts: HTTP `status` and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Request:
    """A request: header names in lower case, the path without its query, the query's last value for each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Build a response's head."""
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Status"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Build one chunk of a chunked body. No data gives nothing, because an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class RequestReader:
    """Reads requests from a connection's bytes, however they are cut.

    `wants_continue` is set while a client waits for `100 Continue`.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._ready: list[Request] = []
        self.wants_continue = False

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that these bytes complete. Raises `BadRequest`, after which the reader is unusable."""
        self._ready = []
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise BadRequest(400, "The simulator speaks HTTP/1.1 only: leave out the Upgrade header.") from None
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, BadRequest):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError:
            raise BadRequest(400, "This is no HTTP/1.1 request.") from None
        return self._ready

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self.wants_continue = False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._parser.get_http_version() != "1.1":
            raise BadRequest(505, "The simulator speaks HTTP/1.1 only: with nginx, set proxy_http_version 1.1.")
        self.wants_continue = self._headers.get("expect", "").lower() == "100-continue"

    def on_body(self, data: bytes) -> None:
        self._body_size += len(data)
        if self._body_size > MAX_BODY:
            raise BadRequest(413, f"The request's body is over {MAX_BODY} bytes: send less.")
        self._body.append(data)

    def on_message_complete(self) -> None:
        self.wants_continue = False
        url = httptools.parse_url(self._url)
        query = dict(parse_qsl((url.query or b"").decode("latin-1"), keep_blank_values=True))
        self._ready.append(
            Request(
                method=self._parser.get_method().decode(),
                path=unquote(url.path.decode("latin-1")),
                query=query,
                headers=self._headers,
                body=b"".join(self._body),
                keep_alive=self._parser.should_keep_alive(),
            )
        )

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD:
            raise BadRequest(431, f"The request's head is over {MAX_HEAD} bytes: send less.")
