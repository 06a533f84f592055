"""Cases in which LiteLLM would invent data or take long: broken answers, missing usage, errors with long messages."""

import asyncio
import gc
import json
import time
from typing import Any

import pytest

from policies.events import End, Finish, Text, Usage
from proxy.errors import InvalidRequest, UpstreamError
from proxy.providers.base import Call
from proxy.providers.engine import LiteLLMEngine
from tests.proxy.providers.engines import against, everything, failing, text_of, to
from tests.proxy.providers.provider import ANSWERS, OPENAI, Provider, openai_chunk

APIS = ["openai", "anthropic", "gemini", "groq", "deepseek"]
LONG = "a b" * 1_000_000
pytestmark = pytest.mark.usefixtures("litellm_warm")


def answer_of(api: str) -> list[Any]:
    return ANSWERS.get(api, OPENAI)


async def read(engine: LiteLLMEngine, asked: Call) -> Any:
    """All of an answer."""
    return await everything(await engine.open(asked))


def without_usage(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_usage(v) for k, v in value.items() if k not in ("usage", "usageMetadata")}
    return [without_usage(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_ends_too_soon_is_not_complete(api: str) -> None:
    async def test(engine: Any, provider: Provider) -> None:
        answer = await engine.open(to(api, provider))
        events: list[Any] = []
        with pytest.raises(UpstreamError) as died:
            while True:
                events += await answer.read()
        await answer.aclose()
        assert died.value.code == "upstream_died"
        assert text_of(events).startswith("Hel") and not [e for e in events if isinstance(e, Finish | End)]

    begun = {"anthropic": 4, "gemini": 1}.get(api, 2)
    against(lambda: Provider(answer_of(api)[:begun]), test)


@pytest.mark.parametrize("api", APIS)
def test_usage_is_the_providers_or_there_is_none(api: str) -> None:
    async def test(engine: Any, provider: Provider) -> None:
        for told in (True, False):
            events = await everything(await engine.open(to(api, provider)))
            assert (text_of(events), events[-1]) == ("Hello", End("natural"))
            assert [(e.prompt, e.completion) for e in events if isinstance(e, Usage)] == [(3, 2)] * told
            provider.events = [
                event for event in without_usage(answer_of(api)) if event == "[DONE]" or event.get("choices") != []
            ]

    against(lambda: Provider(answer_of(api)), test)


@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_litellm_cannot_read_is_the_providers_fault(api: str) -> None:
    async def test(engine: Any, provider: Provider) -> None:
        for broken in ("[1, 2]", '"text"', '{"choices": 5}', "{nonsense"):
            provider.events = [broken]
            error = await failing(read(engine, to(api, provider)))
            assert (error.status, error.code) in {(502, "malformed_event"), (502, "upstream_died")}
        provider.body = {"nothing": "of use"}
        error = await failing(read(engine, to(api, provider, stream=False, settings={"whole": "native"})))
        assert not isinstance(error, InvalidRequest) and error.status == 502

    against(Provider, test)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [200, 500])
def test_a_long_error_costs_little(api: str, status: int) -> None:
    async def test(engine: Any, provider: Provider) -> None:
        await failing(engine.open(to(api, provider)))  # the first failure imports what failures need
        provider.body, provider.events = (error(LONG), ()) if status != 200 else (None, [error(LONG)])
        began = time.monotonic()
        refused = await failing(engine.open(to(api, provider)))
        assert refused.status == 502 and "a b" not in refused.message
        assert time.monotonic() - began < 2

    def error(message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"message": message, "type": "server_error", "code": 500}}

    against(lambda: Provider(status=status, body=error("x") if status != 200 else None, events=[error("x")]), test)


def test_an_answer_of_many_pieces_keeps_none_of_them() -> None:
    async def test(engine: Any, provider: Provider) -> None:
        answer = await engine.open(to("openai", provider))
        events: list[Any] = []
        while len(text_of(events)) < 2000:
            events += await answer.read()
        [stream] = [each for each in gc.get_objects() if type(each).__name__ == "CustomStreamWrapper"]
        assert len(stream.chunks) <= 2 and len(stream.response_uptil_now) <= 2
        await answer.aclose()

    gc.collect()
    against(lambda: Provider([openai_chunk({"content": "ab"})] * 1000, then="hang"), test)


def test_a_reader_that_waits_hears_of_signs_of_life() -> None:
    """Comments and empty events are not LiteLLM's chunks, but the provider's."""

    async def test(engine: Any, provider: Provider) -> None:
        answer = await engine.open(to("openai", provider))
        heard = 0
        while not provider.go.is_set():
            events = await asyncio.wait_for(answer.read(), 5)
            heard += not events
            if heard > 2:
                provider.go.set()
        await answer.aclose()
        await provider.left.wait()

    comments = [": a comment"] * 50

    class Commenting(Provider):
        async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            writer.write(f"data: {json.dumps(openai_chunk({'content': 'a'}))}\n\n".encode())
            for comment in comments:
                await asyncio.sleep(0.01)
                writer.write(f"{comment}\n\n".encode())
            return await self._wait_for_leaving(reader)

    against(Commenting, test)


def test_texts_are_not_lost_to_a_failure_behind_them() -> None:
    async def test(engine: Any, provider: Provider) -> None:
        answer = await engine.open(to("openai", provider))
        events: list[Any] = []
        with pytest.raises(UpstreamError):
            while True:
                events += await answer.read()
                await asyncio.sleep(0.01)
        await answer.aclose()
        assert [event.text for event in events if isinstance(event, Text)] == [str(i) for i in range(20)]

    against(lambda: Provider([*[openai_chunk({"content": str(i)}) for i in range(20)], "{nonsense"]), test)
