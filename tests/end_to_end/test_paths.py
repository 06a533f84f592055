"""Paths and methods that clients send, over raw sockets."""

import json

import pytest

from tests.end_to_end import wire
from tests.end_to_end.clients import CHAT, ask
from tests.end_to_end.running import Running

pytestmark = pytest.mark.anyio

BODY = json.dumps(ask("openai-sim-chat", stream=False)).encode()
JOINED = ["/v1/chat/completions/", "//v1/chat/completions", "/v1//chat/completions", "//chat//completions//"]


async def asked(run: Running, method: str, path: str, body: bytes = b"") -> wire.Response:
    """Return the answer to a request that ends its connection. A HEAD's answer has no body."""
    async with wire.client(run.port) as client:
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n"
        await client.send(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        seen = bytes(await client.rest())
    if method == "HEAD":
        head, _, rest = seen.decode().partition("\r\n\r\n")
        lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        return wire.Response(int(head.split(" ")[1]), lines, bytearray(rest.encode()), complete=True)
    return wire.responses(seen)[0]


@pytest.mark.parametrize("path", JOINED)
async def test_slashes_too_many_in_a_path_do_not_count(run: Running, path: str) -> None:
    response = await asked(run, "POST", path, BODY)
    assert response.status == 200 and response.json["choices"]


@pytest.mark.parametrize("path", ["/v1/models/", "//v1/models", "/healthz/", "//readyz"])
async def test_nor_do_they_on_other_routes(run: Running, path: str) -> None:
    assert (await asked(run, "GET", path)).status == 200


@pytest.mark.parametrize("path", ["/", "//", "/v1/", "/v1/v1/chat/completions", "/v1/chat/./completions"])
async def test_what_is_no_route_stays_none(run: Running, path: str) -> None:
    response = await asked(run, "POST", path, BODY)
    assert (response.status, response.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gemini-x", "/healthz", "/readyz", "/admin/status"])
async def test_head_is_get_without_a_body(run: Running, path: str) -> None:
    got, head = await asked(run, "GET", path), await asked(run, "HEAD", path)
    assert head.status == 200 and not head.body
    assert head.headers["content-type"] == got.headers["content-type"]
    assert abs(int(head.headers["content-length"]) - len(got.body)) < 16  # a status tells the time


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("HEAD", CHAT, {"POST"}),
        ("GET", CHAT + "/", {"POST"}),
        ("DELETE", "/v1/models", {"GET", "HEAD"}),
        ("PUT", "//healthz", {"GET", "HEAD"}),
        ("GET", "/admin/reload", {"POST"}),
    ],
)
async def test_another_method_is_told_which_there_are(run: Running, method: str, path: str, allowed: set[str]) -> None:
    response = await asked(run, method, path)
    assert response.status == 405
    assert {name.strip().upper() for name in response.headers["allow"].split(",")} == allowed
