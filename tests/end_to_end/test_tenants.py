"""Two keys at one target: failures of one key's requests do not affect the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer
from proxy.simulator.answers import InjectedFault
from proxy.simulator.asks import Ask
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import until

pytestmark = pytest.mark.anyio

ONCE = "retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}"
KEYS = """
auth:
  keys:
    - {{name: one, key: key-of-one}}
    - {{name: two, key: key-of-two}}
    - {{name: three, key: key-of-three, admin: true}}
timeouts: {{first_token: 2}}
"""
MODEL = '  m: {{target: "openai/m"}}\n'


@asynccontextmanager
async def gateway(
    answer: Callable[[Ask], Answer], cooldown: str = "failures: 5", models: str = MODEL, server: str = ""
) -> AsyncIterator[Running]:
    config = CONFIG.replace(ONCE, f"retries: {{{{attempts: 1, cooldown: {{{{{cooldown}}}}}}}}}")
    async with running(config.replace("port: 0", f"port: 0{server}"), models + KEYS) as run:
        run.sim.answers["m"] = answer
        yield run


def by_prompt(ask: Ask) -> Answer:
    """Answer slowly if the prompt says so, as for a prompt of a million tokens."""
    match ask.prompt:
        case "slow":
            return Answer("late", head_delay=60)
        case "fails":
            return Answer(fault=InjectedFault("status", status=500))
        case "refused":
            return Answer(fault=InjectedFault("status", status=404))
        case _:
            return Answer("quick")


class Key:
    """A client with a key. `seen` counts its statuses and codes."""

    def __init__(self, http: httpx.AsyncClient, name: str) -> None:
        self._http = http
        self._headers = {"authorization": f"Bearer key-of-{name}"}
        self.seen: Counter[int | str] = Counter()

    async def ask(self, prompt: str = "hello", model: str = "m") -> httpx.Response:
        response = await self._http.post(CHAT, json=ask(model, prompt), headers=self._headers)
        self.seen[response.status_code] += 1
        if response.status_code != 200:
            self.seen[response.json()["error"]["code"]] += 1
        return response

    async def targets(self) -> Any:
        """The targets as an admin key sees them."""
        return (await self._http.get("/admin/status", headers=self._headers)).json()["targets"]

    async def together(self, count: int, prompt: str) -> list[httpx.Response]:
        return list(await asyncio.gather(*(self.ask(prompt) for _ in range(count))))


@asynccontextmanager
async def keys(run: Running) -> AsyncIterator[tuple[Key, Key, Key]]:
    async with plain(run.url) as http:
        yield Key(http, "one"), Key(http, "two"), Key(http, "three")


async def test_slow_prompts_of_one_key_refuse_nothing_to_another() -> None:
    async with gateway(by_prompt) as run, keys(run) as (one, two, three):
        slow = asyncio.gather(*(one.together(10, "slow") for _ in range(3)))
        while not slow.done():
            await two.ask()
        for _ in range(50):
            await one.ask("slow")
            await two.ask()
        [target] = await three.targets()
    assert set(two.seen) == {200} and two.seen[200] > 50
    assert one.seen[504] >= 5 and one.seen["key_cooldown"] >= 40
    assert (target["state"], target["paused_keys"]) == ("up", ["one"])


async def test_the_key_whose_requests_fail_is_told_so_and_for_how_long() -> None:
    async with gateway(by_prompt) as run, keys(run) as (one, two, _):
        await two.ask()
        await one.together(5, "fails")
        calls = len(run.sim.calls)
        refused = await one.ask()
        record = await run.recorded(7)
        assert len(run.sim.calls) == calls
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["type"]) == (429, "key_cooldown", "rate_limit_error")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert "of other keys" in error["message"] and record.outcome == "refused"


async def test_what_a_request_asks_for_counts_against_nobody() -> None:
    async with gateway(by_prompt) as run, keys(run) as (one, two, _):
        for _ in range(3):
            await one.together(10, "refused")
            await two.together(10, "refused")
        assert (await one.ask()).status_code == (await two.ask()).status_code == 200
    assert one.seen["model_not_found"] == two.seen["model_not_found"] == 30


async def test_a_target_that_fails_two_keys_is_left_alone_by_all_and_comes_back() -> None:
    cooldown = "failures: 5, seconds: 2"
    async with gateway(by_prompt, cooldown) as run, keys(run) as (one, two, three):
        assert (await three.ask()).status_code == 200
        await one.together(5, "fails")
        assert (await three.ask()).status_code == 200
        await two.together(5, "fails")
        refused = await three.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_target")
        async with asyncio.timeout(20):
            while (await three.ask()).status_code != 200:
                await asyncio.sleep(0.1)
        for key in (one, two, three):
            assert [(await key.ask()).status_code for _ in range(5)] == [200] * 5


async def test_with_another_target_the_key_that_fails_goes_there() -> None:
    models = '  m: {{targets: [openai/m], fallbacks: [spare]}}\n  spare: {{target: "gemini/sim-chat"}}\n'
    async with gateway(by_prompt, models=models) as run, keys(run) as (one, two, _):
        await two.ask()
        await one.together(5, "fails")
        assert [(await key.ask()).headers["x-sluice-target"] for key in (one, two)] == ["gemini/sim-chat", "openai/m"]


async def test_a_key_that_takes_all_places_leaves_the_next_one_to_another() -> None:
    server = ", max_streams: 2, max_queued: 2, queue_seconds: 30"
    async with gateway(lambda ask: Answer("x", head_delay=0.2), server=server) as run, keys(run) as (one, two, _):
        crowd = asyncio.gather(*(one.together(1, "hello") for _ in range(4)))
        await until(lambda: run.gateway.streams.slots.waiting == 2)
        assert (await two.ask()).status_code == 200
        await crowd
    assert one.seen == {200: 3, 503: 1, "overloaded": 1}
