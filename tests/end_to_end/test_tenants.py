"""Two keys at one target: what the requests of one make fail is not refused to the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer
from proxy.simulator.answers import Fault
from proxy.simulator.asks import Ask
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, running

pytestmark = pytest.mark.anyio

ONCE = "retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}"
KEYS = """
auth: {{keys: [{{name: one, key: key-of-one}}, {{name: two, key: key-of-two}}, {{name: three, key: key-of-three}}]}}
timeouts: {{first_token: 0.3}}
"""
MODEL = '  m: {{target: "openai/m"}}\n'


@asynccontextmanager
async def gateway(answer: Callable[[Ask], Answer], cooldown: str = "seconds: 30", models: str = MODEL) -> AsyncIterator[Running]:
    config = CONFIG.replace(ONCE, f"retries: {{{{attempts: 1, cooldown: {{{{failures: 5, {cooldown}}}}}}}}}")
    async with running(config, models + KEYS) as run:
        run.sim.answers["m"] = answer
        yield run


def by_prompt(ask: Ask) -> Answer:
    """Slow where the prompt wants it, as a prompt of a million tokens would be."""
    match ask.prompt:
        case "slow":
            return Answer("late", head_delay=60)
        case "fails":
            return Answer(fault=Fault("status", status=500))
        case _:
            return Answer("quick")


class Key:
    """A client with a key; `seen` counts the statuses and codes that it got."""

    def __init__(self, run: Running, name: str) -> None:
        self._http = plain(run.url, headers={"authorization": f"Bearer key-of-{name}"})
        self.seen: Counter[int | str] = Counter()

    async def ask(self, prompt: str = "hello", model: str = "m") -> httpx.Response:
        response = await self._http.post(CHAT, json=ask(model, prompt))
        self.seen[response.status_code] += 1
        if response.status_code != 200:
            self.seen[response.json()["error"]["code"]] += 1
        return response

    async def together(self, count: int, prompt: str) -> list[httpx.Response]:
        return list(await asyncio.gather(*(self.ask(prompt) for _ in range(count))))


async def test_slow_prompts_of_one_key_refuse_nothing_to_another() -> None:
    async with gateway(by_prompt) as run:
        one, two = Key(run, "one"), Key(run, "two")
        slow = asyncio.gather(*(one.together(10, "slow") for _ in range(3)))
        while not slow.done():
            await two.ask()
        await slow
        for _ in range(50):
            await one.ask("slow")
            await two.ask()
    assert set(two.seen) == {200} and two.seen[200] > 50
    assert one.seen[504] >= 5 and one.seen["key_cooldown"] >= 40


async def test_the_key_whose_requests_fail_is_told_so_and_for_how_long() -> None:
    async with gateway(by_prompt) as run:
        one, two = Key(run, "one"), Key(run, "two")
        await two.ask()
        await one.together(5, "slow")
        calls = len(run.sim.calls)
        refused = await one.ask()
        assert len(run.sim.calls) == calls
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["type"]) == (429, "key_cooldown", "rate_limit_error")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert "of other keys" in error["message"]
