"""The bill at every exit: whatever ends a request, its record has tokens and dollars, with their source.

A token of output costs 100 dollars a million here, one of input 10. The simulator counts 4 characters a token. It
reports its counts like each provider: OpenAI at the end, Anthropic the prompt at the beginning, Gemini on the way.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from policies import POLICIES
from policies.base import PolicyType, Request
from policies.events import Event, Stop, Text, Verdict
from proxy.accounting.ledger import Bill
from proxy.accounting.record import Record, access_line
from proxy.config.models import Strict
from proxy.simulator import Answer
from proxy.simulator.answers import InjectedFault
from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running
from tests.end_to_end.wire import chat, client

pytestmark = pytest.mark.anyio

TEXT = "abcd" * 50
EXTRA = """
  "litellm-*": {{target: "openai/*", engine: litellm}}
  "capped-openai-*": {{target: "openai/*", policies: [token_cap/t]}}
  "capped-anthropic-*": {{target: "anthropic/*", policies: [token_cap/t]}}
  "capped-gemini-*": {{target: "gemini/*", policies: [token_cap/t]}}
  "broken-openai-*": {{target: "openai/*", policies: [block/broken]}}
  "broken-anthropic-*": {{target: "anthropic/*", policies: [block/broken]}}
  "broken-gemini-*": {{target: "gemini/*", policies: [block/broken]}}
  "blocked-openai-*": {{target: "openai/*", policies: [block/t]}}
  "blocked-anthropic-*": {{target: "anthropic/*", policies: [block/t]}}
  "blocked-gemini-*": {{target: "gemini/*", policies: [block/t]}}
  "redacted-openai-*": {{target: "openai/*", policies: [redact/t]}}
  "redacted-anthropic-*": {{target: "anthropic/*", policies: [redact/t]}}
  "redacted-gemini-*": {{target: "gemini/*", policies: [redact/t]}}
  "guarded-openai-*": {{target: "openai/*", policies: [json_guard/t]}}
  "guarded-anthropic-*": {{target: "anthropic/*", policies: [json_guard/t]}}
  "guarded-gemini-*": {{target: "gemini/*", policies: [json_guard/t]}}
policies:
  token_cap/t: {{max_chunks: 9}}
  block/t: {{}}
  block/broken: {{}}
  redact/t: {{rules: [{{name: ten, regex: "(?:abcd){{10}}", action: block}}]}}
  json_guard/t: {{when: always}}
prices: {{"sim-*": {{input: 10, output: 100}}}}
timeouts: {{first_token: 1, idle: 1}}
"""


class Block:
    """Ends a choice as a block does, at its tenth piece, or raises there."""

    deadline: float | None = None

    def __init__(self, name: str, *_: Any) -> None:
        self.name = name
        self._pieces = 0

    def request(self, request: Request) -> Request:
        return request

    def feed(self, event: Event) -> Iterator[Verdict]:
        self._pieces += isinstance(event, Text)
        if self.name == "block/broken" and self._pieces == 10:
            raise ZeroDivisionError
        yield Stop(0, "content_filter", self.name) if self._pieces == 10 else event


@pytest.fixture(scope="module")
async def billed(anyio_backend: object) -> AsyncIterator[Running]:
    types = {**POLICIES, "block": PolicyType(config=Strict, build=Block, stage=50, guards=lambda config: False)}
    async with running(CONFIG + EXTRA, policies=types) as run:
        yield run


@pytest.fixture
async def run(billed: Running) -> AsyncIterator[Running]:
    async with fresh(billed) as run:
        yield run


async def post(run: Running, model: str, stream: bool) -> None:
    async with plain(run.url) as http:
        await http.post(CHAT, json=ask(model, stream=stream))


# ---- ways to end, each with its expected outcome
Exit: TypeAlias = Callable[[Running, str, bool], Awaitable[str]]


async def finish(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT)
    await post(run, f"{provider}-sim-x", stream)
    return "completed"


async def finish_without_usage(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, tells_usage=False)
    await post(run, f"{provider}-sim-x", stream)
    return "completed"


async def cap(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, pace=0.01)
    await post(run, f"capped-{provider}-sim-x", stream)
    return "policy_stopped"


async def block(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, pace=0.01)
    await post(run, f"blocked-{provider}-sim-x", stream)
    return "policy_stopped"


async def redaction_block(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, pace=0.01)
    await post(run, f"redacted-{provider}-sim-x", stream)
    return "policy_stopped"


async def wrong_json(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer("[" + "1" * 38 + "x" * 160, pace=0.01)
    await post(run, f"guarded-{provider}-sim-x", stream)
    return "policy_stopped"


async def failure(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, pace=0.01)
    await post(run, f"broken-{provider}-sim-x", stream)
    return "policy_error"


async def cancel(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, fault=InjectedFault("stall", after=10))
    asking = spawn(post(run, f"{provider}-sim-x", stream))
    await _sent(run, 10)
    (id,) = list(run.gateway.streams._running)
    async with plain(run.url) as http:
        await http.post(f"{CHAT}/{id}/cancel")
    await asking
    return "client_cancelled"


async def disconnect(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, fault=InjectedFault("stall", after=10))
    async with client(run.port) as leaving:
        await leaving.send(chat(f"{provider}-sim-x", prompt="Hi", stream=stream))
        await _sent(run, 10)
    return "client_cancelled"


async def disconnect_just_before_the_end(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, fault=InjectedFault("stall", after=len(TEXT) // 4))
    async with client(run.port) as leaving:
        await leaving.send(chat(f"{provider}-sim-x", prompt="Hi", stream=stream))
        await _sent(run, len(TEXT) // 4)
    return "client_cancelled"


async def death(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, fault=InjectedFault("drop", after=10))
    await post(run, f"{provider}-sim-x", stream)
    return "upstream_error"


async def stall(run: Running, provider: str, stream: bool) -> str:
    run.sim.answers["sim-x"] = Answer(TEXT, fault=InjectedFault("stall", after=10))
    await post(run, f"{provider}-sim-x", stream)
    return "timeout"


async def _sent(run: Running, pieces: int) -> None:
    call = await run.sim.next_call()
    async with asyncio.timeout(5):
        while call.chunks_sent < pieces:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)  # and read


COMPLETION = {finish: 50, finish_without_usage: 50, cap: 10, block: 10, disconnect_just_before_the_end: 50}
"""The tokens that the provider has made by then, 10 by default."""

CUT: tuple[Exit, ...] = (
    cap,
    block,
    redaction_block,
    wrong_json,
    failure,
    cancel,
    disconnect,
    disconnect_just_before_the_end,
    death,
    stall,
)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("leave", [finish, finish_without_usage, *CUT], ids=lambda exit: exit.__name__)
async def test_the_bill(run: Running, leave: Exit, provider: str, stream: bool) -> None:
    outcome = await leave(run, provider, stream)
    record = await run.recorded()
    assert record.outcome == outcome
    assert len(run.records) == 1
    bill = _bill(record)
    made = COMPLETION.get(leave, 10)
    assert made <= bill.usage.completion <= made + 2
    assert bill.completion == ("reported" if leave is finish else "estimated")
    told = leave is finish or (provider != "openai" and leave is not finish_without_usage)
    assert bill.prompt == ("reported" if told else "estimated")
    assert 1 <= bill.usage.prompt < 12
    assert bill.cost is not None
    assert bill.cost.total == pytest.approx((bill.usage.prompt * 10 + bill.usage.completion * 100) / 1e6)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("model", ["sim-x.fail-429", "sim-x.fail-500", "sim-x.fail-400"])
async def test_a_refusal_costs_nothing(run: Running, provider: str, model: str) -> None:
    await post(run, f"{provider}-{model.replace('sim-x', 'sim-chat')}", True)
    assert (await run.recorded()).bill is None


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_never_began_costs_its_prompt(run: Running, provider: str) -> None:
    await post(run, f"{provider}-sim-chat.head-60000", True)
    record = await run.recorded()
    bill = _bill(record)
    assert (record.outcome, bill.prompt, bill.usage.completion) == ("timeout", "estimated", 0)
    assert bill.usage.prompt > 0


async def test_thoughts_are_counted_as_such(run: Running) -> None:
    run.sim.answers["sim-x"] = Answer(TEXT, reasoning="abcd" * 20, fault=InjectedFault("drop", after=25))
    await post(run, "anthropic-sim-x", True)
    usage = _bill(await run.recorded()).usage
    assert (usage.reasoning, usage.completion) == (20, 25)


async def test_through_litellm(litellm_used: None, run: Running) -> None:
    await post(run, "litellm-sim-chat", True)
    assert _bill(await run.recorded()).source == "reported"


async def test_the_access_line(run: Running) -> None:
    await cap(run, "anthropic", True)
    line = access_line(await run.recorded())
    assert line["prompt_source"] == "reported"
    assert line["completion_source"] == line["usage_source"] == "estimated"
    assert line["completion_tokens"] == 10
    assert line["cached_tokens"] == line["reasoning_tokens"] == 0
    assert line["cost_usd"] > 0.001
    assert line["tokenizer"] == "cl100k_base"


def _bill(record: Record) -> Bill:
    assert record.bill is not None
    return record.bill
