"""Each provider × finish reason × failure, over real sockets: the client's result, and the use of the fallback."""

import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import httpx
import pytest

from proxy.errors import Cause
from proxy.formats.causes import cause
from proxy.formats.finish import BROKEN, UNSAID
from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, plain
from tests.end_to_end.matrix import FAILURES, TABLES, End, Failure, body, ends, refusal
from tests.end_to_end.provider import provider
from tests.end_to_end.reported.test_reported import Got, got
from tests.end_to_end.running import running

pytestmark = pytest.mark.anyio

MODELS = "".join(
    f"  {api}: {{{{target: {api}/x}}}}\n  safe-{api}: {{{{target: {api}/x, fallbacks: [good]}}}}\n" for api in TABLES
)
CONFIG = (
    """
server: {{port: 0, drain_seconds: 0}}
retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}
providers:
  openai: {{api_key: provider-key-openai, base_url: "PLAYER/v1"}}
  anthropic: {{api_key: provider-key-anthropic, base_url: "PLAYER"}}
  gemini: {{api_key: provider-key-gemini, base_url: "PLAYER"}}
  sim: {{api: openai, api_key: provider-key-sim, base_url: "{url}/v1"}}
models:
  good: {{target: sim/good}}
"""
    + MODELS
)


class Playing:
    """A gateway before a provider that plays the bytes set in `next`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.next = b""

    def play(self, status: int, kind: str, data: bytes) -> None:
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        self.next = head.encode() + data

    async def ask(self, model: str, stream: bool) -> tuple[Got, httpx.Response]:
        asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        response = await self.client.post(CHAT, json=asked | ({"stream": True} if stream else {}))
        return got(response), response


@pytest.fixture(scope="module")
async def playing(anyio_backend: object) -> AsyncIterator[Playing]:
    async with provider(lambda _: there.next) as serving, running(CONFIG.replace("PLAYER", serving.url)) as run:
        run.sim.answers["good"] = Answer("fallback")
        async with plain(run.url) as client:
            there = Playing(client)
            yield there


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("end", list(ends()), ids=lambda end: f"{end.api}-{end.reason}")
async def test_an_answer_ends_as_the_table_says(playing: Playing, end: End, stream: bool) -> None:
    playing.play(200, "text/event-stream", body(end, "hi"))
    for model in (end.api, f"safe-{end.api}"):
        seen, response = await playing.ask(model, stream)
        fell = model.startswith("safe")
        if end.ending == BROKEN:
            assert (seen.text, seen.done) == (("fallback", True) if fell else ("", False))
            assert fell or (seen.status, response.json()["error"]["code"]) == (502, "provider_broke_off")
        elif end.ending == UNSAID and end.api == "gemini":  # there is no other mark of an end: the answer was cut
            assert (seen.text, seen.done) == ("fallback", True) if fell and not stream else seen.says and not seen.done
        else:  # there are no calls
            natural = end.ending in (UNSAID, "tool_calls", "function_call")
            assert (seen.status, seen.text, seen.done) == (200, "hi", True)
            assert seen.finish == ("stop" if natural else end.ending)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("api", TABLES)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.cause)
async def test_a_failure_is_told_as_the_table_says(playing: Playing, failure: Failure, api: str, stream: bool) -> None:
    playing.play(failure.status, "application/json", refusal(api, failure))
    _, response = await playing.ask(api, stream)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (failure.ours, {"message", "type", "param", "code"})
    assert error["code"] == failure.code if failure.code else failure.words in error["message"]
    seen, _ = await playing.ask(f"safe-{api}", stream)
    assert (seen.text == "fallback") is failure.falls_back
    assert failure.falls_back or seen.status == failure.ours


def test_every_cause_has_its_row() -> None:
    assert [row.cause for row in FAILURES] == list(get_args(Cause))
    for row in FAILURES:
        for api in TABLES:
            said = json.loads(refusal(api, row))["error"]
            assert cause(row.status, said.get("type") or said.get("status"), said["message"]) == row.cause
