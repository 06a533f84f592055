"""Hostile bodies against a gateway over real sockets.

Each gets an answer or a client error, and `/healthz` answers meanwhile. `make attack` runs the same with large bodies,
a process for each side, and tight limits.
"""

import json
from collections.abc import AsyncIterator
from random import Random

import httpx
import pytest

from proxy.providers import litellm
from tests.attack.heartbeat import Heartbeat
from tests.attack.odd import odd
from tests.attack.shapes import body, shapes
from tests.end_to_end.clients import CHAT, plain
from tests.end_to_end.running import CONFIG, Running, fresh, running

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")]

SIZE = 30_000
STALL = 5.0
"""Maximum seconds. Without limits, one of these bodies took 50."""

ENGINES = """
  "litellm-openai-*": {{target: "openai/*", engine: litellm}}
  "litellm-anthropic-*": {{target: "anthropic/*", engine: litellm}}
  "litellm-gemini-*": {{target: "gemini/*", engine: litellm}}
  "lenient-anthropic-*": {{target: "anthropic/*", drop_params: true}}
  "lenient-gemini-*": {{target: "gemini/*", drop_params: true}}
  "ruled-*": {{target: "openai/*", policies: [json_guard/j, redact/r, token_cap/t]}}
"""
POLICIES = """
policies:
  json_guard/j: {{on_invalid: stop}}
  redact/r: {{direction: both, rules: [{{name: pii, entity: pii}}]}}
  token_cap/t: {{max_tokens: 1000}}
"""
MODELS = (
    "openai-sim.tokens-4.chunk-0",
    "anthropic-sim.tokens-4.chunk-0",
    "gemini-sim.tokens-4.chunk-0",
    "ruled-sim.tokens-4.chunk-0",
)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    litellm.warm(["anthropic", "gemini", "litellm"])


@pytest.fixture(scope="module")
async def shared_attacked(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + ENGINES, POLICIES) as run:
        yield run


@pytest.fixture
async def run(shared_attacked: Running) -> AsyncIterator[Running]:
    async with fresh(shared_attacked) as run:
        yield run


async def asked(http: httpx.AsyncClient, raw: bytes) -> int:
    """Return the status of a hostile request's answer. Any status is right."""
    response = await http.post(CHAT, content=raw, headers={"content-type": "application/json"}, timeout=30)
    if response.status_code != 200:
        error = response.json()["error"]
        assert 400 <= response.status_code < 500 and error["message"], response.text
        assert error["code"] != "unmappable_request", response.text
    return response.status_code


@pytest.mark.parametrize("model", MODELS)
async def test_no_shape_of_a_body_stops_the_gateway(run: Running, model: str) -> None:
    answered = 0
    async with plain(run.url) as http:
        for name, shape in shapes():
            with Heartbeat(run.url) as heart:
                status = await asked(http, body(shape, model, SIZE))
                assert heart.worst < STALL, name
            answered += status == 200
    assert answered > 20


@pytest.mark.parametrize(
    "model",
    [
        "openai-sim.tokens-4.chunk-0",
        "lenient-anthropic-sim.tokens-4.chunk-0",
        "lenient-gemini-sim.tokens-4.chunk-0",
        "ruled-sim.tokens-4.chunk-0",
    ],
)
async def test_odd_requests_get_an_answer_or_the_clients_error(run: Running, model: str) -> None:
    random = Random(model)
    async with plain(run.url) as http:
        statuses = [await asked(http, json.dumps({"model": model, **odd(random)}).encode()) for _ in range(60)]
    assert 200 in statuses
