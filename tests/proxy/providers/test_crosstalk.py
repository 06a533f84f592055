"""No byte of one client's answer reaches another, whatever extra data a provider sends, at any moment.

The variable `SLUICE_RUNS` sets the number of runs: few by default, thousands in an attack.
"""

import asyncio
import contextlib
import os
import random
import re

import pytest

from policies.events import End, Event
from proxy.errors import UpstreamError
from proxy.formats.base import DecodeError
from proxy.providers import litellm
from proxy.providers.native import NativeUpstream
from tests.proxy.providers.hostile import APIS, LONG, MADE_UP, Hostile, Plan, hostile
from tests.proxy.providers.serving import at, text_of

pytestmark = pytest.mark.anyio

RUNS = int(os.environ.get("SLUICE_RUNS", "300"))
IN_ROW = 25
"""Runs that share a connection pool, as requests do."""


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    litellm.warm(APIS)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def asked(upstream: NativeUpstream, provider: Hostile, mark: str) -> str | None:
    """The text of one client's answer, None if there was none."""
    plan = provider.plan
    whole = {} if plan.streamed else {"settings": {"whole": "native"}}
    words = mark + (LONG if plan.moment == "half asked" else "")
    body = {"messages": [{"role": "user", "content": words}]}
    events: list[Event | DecodeError] = []
    with contextlib.suppress(UpstreamError, TimeoutError):
        async with asyncio.timeout(0.2 if plan.hangs else 10):
            answer = await upstream.open(at(provider.url, plan.api, body=body, stream=plan.streamed, **whole))
            try:
                while not events or not isinstance(events[-1], End | DecodeError):
                    events += await answer.read()
            finally:
                await answer.aclose()
    return text_of(events) if events and isinstance(events[-1], End) else None


async def run(upstream: NativeUpstream, number: int) -> str | None:
    """Run once. Return the errors."""
    dice = random.Random(number)
    plan = Plan.of(dice)
    async with hostile(plan) as provider:
        for turn in range(3):
            marks = [f"mark-{number}{turn}{client}1-" for client in range(dice.choice([1, 1, 2]))]
            told = await asyncio.gather(*(asked(upstream, provider, mark) for mark in marks))
            for mark, text in zip(marks, told, strict=True):
                others = set(re.findall(r"mark-\d+-", text or "")) - {mark}
                if plan.moment == "accepted":  # on a connection of its own, it cannot be told from a quick answer
                    others -= {MADE_UP}
                if others:
                    return f"run {number}: {mark} was told {others} by {plan}"
                if text != mark and not plan.damages:
                    return f"run {number}: {mark} was told {text!r} by {plan}"
            if plan.moment == "idle":
                await provider.said.wait()
            elif dice.random() < 0.5:
                await asyncio.sleep(0.001)
    return None


@pytest.mark.parametrize("first", range(0, RUNS, IN_ROW))
async def test_each_client_is_told_its_own_answer_alone(upstream: NativeUpstream, first: int) -> None:
    wrong = [await run(upstream, number) for number in range(first, first + IN_ROW)]
    assert not [one for one in wrong if one]
