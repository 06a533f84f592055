"""Any bytes of its answer show that a provider is alive, but not all of them count as its first token."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, running
from tests.proxy.providers.hostile import APIS, sse
from tests.proxy.providers.provider import gemini_chunk, openai_chunk
from tests.proxy.providers.serving import HEAD, LAST, chunk, server

pytestmark = pytest.mark.anyio

CLOSED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
COMMENT = b": OPENROUTER PROCESSING\n\n"
SIGNS: dict[str, list[bytes]] = {
    "openai": [COMMENT, b"data: %b\n\n" % json.dumps(openai_chunk({"role": "assistant", "content": ""})).encode()],
    "anthropic": [COMMENT, b'event: ping\ndata: {"type": "ping"}\n\n'],
    "gemini": [COMMENT, b"data: %b\n\n" % json.dumps({**gemini_chunk(""), "candidates": []}).encode()],
}
"""Signs of life without substance, by format."""

PAUSE = 0.3
Play = Callable[[asyncio.StreamWriter], Awaitable[None]]


def slow(api: str, sign: bytes, *, signs: int = 8, at: int = 0, chunked: bool = True, ends: bool = True) -> Play:
    """A provider that sends signs of life, with pauses between them, before the first event or in mid-answer."""
    events = sse(api, "Hello")
    place = 0 if at == 0 else next(number for number, event in enumerate(events, 1) if b"Hello" in event)

    async def play(writer: asyncio.StreamWriter) -> None:
        write = (lambda data: writer.write(chunk(data))) if chunked else writer.write
        writer.write(HEAD if chunked else CLOSED)
        for event in events[:place]:
            write(event)
        for number in range(signs):
            await asyncio.sleep(PAUSE)
            if writer.is_closing():
                raise ConnectionResetError
            half = len(sign) // 2 if number % 2 and not chunked else 0  # some in two pieces
            for piece in filter(None, (sign[:half], sign[half:])):
                write(piece)
        if ends:
            for event in events[place:]:
                write(event)
            writer.write(LAST if chunked else b"")
        if ends and not chunked:
            writer.close()

    return play


async def told(play: Play, api: str, limits: str, *, cut: bool = True) -> tuple[str, str]:
    """Return the text that the client of a stream received, and the request's outcome.

    With `cut`, the provider's connection is closed.
    """
    async with server(play) as provider:
        config = CONFIG.replace("{url}", provider.url)
        async with running(config, f"timeouts: {{{{{limits}}}}}") as run, plain(run.url) as http:
            response = await http.post(CHAT, json=ask(f"{api}-m", stream=True), timeout=30)
            record = await run.recorded()
        if cut:
            async with asyncio.timeout(10):
                await provider.closed.wait()
        return response.text, record.outcome


CASES = [(api, sign, chunked) for api in APIS for sign in SIGNS[api] for chunked in (True, False)]


async def test_signs_of_life_keep_a_stream_that_has_begun() -> None:
    """Each pause is shorter than `timeouts.idle`, but their sum is longer."""
    plays = [told(slow(api, sign, at=1, chunked=chunked), api, "idle: 2", cut=False) for api, sign, chunked in CASES]
    for case, (text, outcome) in zip(CASES, await asyncio.gather(*plays), strict=True):
        assert "Hello" in text and text.endswith("[DONE]\n\n") and outcome == "completed", case


async def test_signs_of_life_are_no_first_token() -> None:
    plays = [told(slow(api, sign, signs=60), api, "first_token: 1") for api, sign, _ in CASES[::2]]
    for case, (text, outcome) in zip(CASES[::2], await asyncio.gather(*plays), strict=True):
        assert "timeouts.first_token" in text and outcome == "timeout", case


async def test_signs_of_life_without_end_are_ended_by_the_total() -> None:
    plays = [told(slow(api, sign, signs=60, at=1), api, "idle: 2, total: 3") for api, sign, _ in CASES[::2]]
    for case, (text, outcome) in zip(CASES[::2], await asyncio.gather(*plays), strict=True):
        assert "Hello" in text and "timeouts.total" in text and "[DONE]" not in text and outcome == "timeout", case


async def test_silence_in_mid_stream_is_ended_though_signs_of_life_came_before() -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        await slow("openai", COMMENT, signs=2, at=1, ends=False)(writer)
        await asyncio.sleep(60)

    text, outcome = await told(play, "openai", "idle: 1", cut=False)
    assert "Hello" in text and "timeouts.idle" in text and outcome == "timeout"
