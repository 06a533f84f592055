"""The budget for work: one for a request, shared by its attempts. Exceeding it is the client's error."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from policies.base import Context, Policy, PolicyType, Refuse, Request
from policies.events import Event, Text, Verdict
from policies.work import BASE_STEPS, STEPS_PER_BYTE
from tests.end_to_end.clients import CHAT, ask, failure_of
from tests.end_to_end.running import CONFIG, Running, fresh, running
from tests.end_to_end.trivial import Config, Trivial

pytestmark = pytest.mark.anyio

POLICIES = """
policies:
  request/all: {{after: 1000000000}}
  request/most: {{after: 300000}}
  answer/all: {{after: 1000000000}}
default_policies: []
"""
MODELS = """
  request: {{target: openai/sim-chat, policies: [request/all]}}
  twice: {{target: openai/sim-chat.fail-503, fallbacks: [openai-sim-chat], policies: [request/most]}}
  answer: {{target: openai/sim-chat.pace-200, policies: [answer/all]}}
"""


class AtTheRequest(Trivial):
    """Spends `after` steps on the request."""

    def request(self, request: Request) -> Request | Refuse:
        self.context.work.spend(self.config.after, "messages[0].content")
        return request


class AtTheAnswer(Trivial):
    """Lets one text pass, then spends `after` steps on each."""

    passed = 0

    def feed(self, event: Event) -> Iterator[Verdict]:
        if isinstance(event, Text):
            self.passed += 1
            if self.passed > 1:
                self.context.work.spend(self.config.after, "response_format")
        yield event


def _kind(made: type[Trivial]) -> PolicyType:
    def build(id: str, config: Config, context: Context) -> Policy:
        return made(id, config, context)

    return PolicyType(Config, build, 1, lambda config: False)


@pytest.fixture(scope="module")
async def shared_spending(anyio_backend: object) -> AsyncIterator[Running]:
    kinds = {"request": _kind(AtTheRequest), "answer": _kind(AtTheAnswer)}
    async with running(CONFIG + MODELS, POLICIES, kinds) as run:
        yield run


@pytest.fixture
async def run(shared_spending: Running) -> AsyncIterator[Running]:
    async with fresh(shared_spending) as run:
        yield run


async def test_a_policy_over_the_budget_is_the_clients_error_and_names_the_place(
    run: Running, http: httpx.AsyncClient
) -> None:
    response = await http.post(CHAT, json=ask("request"))
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "request_too_complex", "messages[0].content")
    assert error["type"] == "invalid_request_error" and "messages[0].content" in error["message"]
    assert not run.sim.calls and (await run.recorded()).outcome == "refused"


async def test_the_attempts_of_a_request_spend_from_one_budget(run: Running, http: httpx.AsyncClient) -> None:
    response = await http.post(CHAT, json=ask("twice"))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "request_too_complex")
    assert len(run.sim.calls) == 1


async def test_a_longer_body_brings_a_larger_budget(run: Running, http: httpx.AsyncClient) -> None:
    padding = "x" * (2 * (300_000 - BASE_STEPS // 2) // STEPS_PER_BYTE)
    response = await http.post(CHAT, json=ask("twice", padding))
    assert response.status_code == 200


async def test_a_policy_over_the_budget_ends_a_stream_with_the_clients_error(
    run: Running, http: httpx.AsyncClient
) -> None:
    response = await http.post(CHAT, json=ask("answer", stream=True))
    chunks, error = failure_of(response.text)
    assert chunks and (error["code"], error["param"]) == ("request_too_complex", "response_format")
    assert (await run.recorded()).outcome == "refused"
