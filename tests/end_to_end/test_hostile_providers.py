"""Providers that flood the gateway: others continue, time limits fire, the connection closes, the record is kept."""

import asyncio
import gzip
import json
from collections.abc import Iterator

import pytest

from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, running
from tests.proxy.providers.serving import HEAD, chunk, said, server

pytestmark = pytest.mark.anyio

GZIP = HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
BEGUN = HEAD + chunk(said("Hello"))
OPAQUE = json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"x": "y" * 500_000}}]}).encode()


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def bomb(line: bytes) -> Iterator[bytes]:
    return forever(chunk(gzip.compress(line * (50_000_000 // len(line)), 1)))


FLOODS = {
    "compressed blank lines": lambda: (GZIP, bomb(b"\n")),
    "compressed events": lambda: (GZIP, bomb(b"data: {}\n\n")),
    "interim responses": lambda: (b"", forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "a head without end": lambda: (b"HTTP/1.1 200 OK\r\n", forever(b"x: y\r\n" * 1000)),
    "chunks of a byte": lambda: (BEGUN, forever(b"1\r\n\n\r\n" * 10_000)),
    "blank lines": lambda: (BEGUN, forever(chunk(b"\n" * 60_000))),
    "comments": lambda: (BEGUN, forever(chunk(b":\n\n" * 20_000))),
    "events of nothing": lambda: (BEGUN, forever(chunk(b"data\n\n" * 10_000))),
    "an event of many lines": lambda: (BEGUN, forever(chunk(b"data:\n" * 10_000))),
    "a line without end": lambda: (BEGUN, forever(chunk(b"data: " + b"x" * 60_000))),
    "unknown members": lambda: (BEGUN, forever(chunk(b"data: " + OPAQUE + b"\n\n"))),
    "many choices": lambda: (
        BEGUN,
        forever(chunk(b'data: {"choices":[' + b",".join([b'{"delta":{"content":"x"}}'] * 9000) + b"]}\n\n")),
    ),
}


@pytest.mark.parametrize(("engine", "stream"), [("native", True), ("native", False), ("litellm", True)])
@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_stops_nobody_and_is_cut_in_time(
    litellm_used: None, kind: str, engine: str, stream: bool
) -> None:
    head, flood = FLOODS[kind]()

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for piece in flood:
            if writer.is_closing():
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)  # it shares the test's loop

    async with server(play) as provider:
        config = CONFIG.replace("{url}", provider.url).replace("port: 0", "port: 0, max_answer_mb: 2")
        config = config.replace('/*"}}', f'/*", engine: {engine}}}}}')
        limits = "timeouts: {{first_token: 1, idle: 1, total: 2}}"
        async with running(config, limits) as run, plain(run.url) as http:
            asking = spawn(http.post(CHAT, json=ask("openai-m", stream=stream), timeout=30))
            worst, clock = 0.0, asyncio.get_running_loop().time
            while not asking.done():
                before = clock()
                assert (await http.get("/healthz")).status_code == 200
                worst = max(worst, clock() - before)
                await asyncio.sleep(0.01)
            response = asking.result()
            record = await run.recorded()
        async with asyncio.timeout(5):
            await provider.closed.wait()
    assert worst < 2
    assert response.status_code in (200, 502, 504) and '"error"' in response.text and "[DONE]" not in response.text
    assert record.outcome in ("timeout", "upstream_error") and record.bill is not None
