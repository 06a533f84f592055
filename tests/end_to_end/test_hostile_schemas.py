"""Other clients are served whatever schema a client sends and whatever its answer is.

The time limits are generous. Each of these schemas once kept every other client waiting for longer, and some of them
forever.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.simulator import Answer
from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, fresh, running

pytestmark = pytest.mark.anyio

GUARDS = """
  held: {{target: openai/sim-x, policies: [json_guard/held]}}
  twice: {{target: openai/sim-chat.fail-503, fallbacks: [held], policies: [json_guard/held]}}
policies:
  json_guard/strict: {{on_invalid: stop}}
  json_guard/held: {{on_invalid: retry, attempts: 1}}
default_policies: [json_guard/strict]
"""
NAMES = [str(number) for number in range(200_000)]


@pytest.fixture(scope="module")
async def guarded(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + GUARDS) as run:
        yield run


@pytest.fixture
async def run(guarded: Running) -> AsyncIterator[Running]:
    async with fresh(guarded) as run:
        yield run


def chained(length: int, end: Any) -> dict[str, Any]:
    """References one after another."""
    links = {f"a{at}": {"$ref": f"#/$defs/a{at + 1}"} for at in range(length)}
    return {"$defs": {**links, f"a{length}": end}, "items": {"$ref": "#/$defs/a0"}}


def text_of_objects(count: int, of: str = "{}") -> str:
    return f"[{','.join([of] * count)}]"


NEEDS = {name: NAMES[:3000] for name in NAMES[:5]}
PAIRS = text_of_objects(2000, '{"0": 1, "1": 1}')

CASES: dict[str, tuple[str, Any, str, int, str]] = {
    "a repeat of nothing": ("held", {"pattern": "(?:){20000000}"}, "", 400, "invalid_json_schema"),
    "repeats in repeats": ("held", {"pattern": "(?:" * 9 + "){4000}" * 9 + "a"}, "1", 200, ""),
    "a long name": (
        "openai-sim-x",
        {"properties": {"n" * 600_000: {"anyOf": [{"const": number} for number in range(4900)]}}},
        "",
        400,
        "invalid_json_schema",
    ),
    "a long pattern": ("held", {"pattern": "a" * 100_000 + "|" + "a" * 100_000}, "", 400, "invalid_json_schema"),
    "many required names": (
        "openai-sim-x",
        {"items": {"anyOf": [{"required": NAMES}, {"type": "object"}]}},
        text_of_objects(5000),
        400,
        "invalid_json_schema",
    ),
    "as many as may be": (
        "openai-sim-x",
        {"items": {"anyOf": [{"required": NAMES[:19_000]}, {"type": "object"}]}},
        text_of_objects(5000),
        200,
        "",
    ),
    "names that need names behind references": (
        "held",
        chained(1900, {"dependentRequired": NEEDS}),
        PAIRS,
        502,
        "rejected",
    ),
    "many that need many": (
        "held",
        {"$defs": {"d": {"dependentRequired": NEEDS}}, "allOf": [{"$ref": "#/$defs/d"} for _ in range(2000)]},
        json.dumps(dict.fromkeys(NAMES[:10_000], 1)),
        502,
        "rejected",
    ),
    "a large value in many messages": (
        "held",
        {"anyOf": [{"const": number} for number in range(4000)]},
        json.dumps(["x" * 100] * 4000),
        502,
        "rejected",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_others_are_served_while_a_hostile_schema_is(run: Running, name: str) -> None:
    model, schema, answer, status, code = CASES[name]
    run.sim.answers["sim-x"] = Answer(answer, chunk=4096)
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    async with plain(run.url) as http:
        request = http.build_request("POST", CHAT, json=ask(model, stream=True, response_format=wanted), timeout=60)
        asked = spawn(http.send(request))
        worst, last = 0.0, time.monotonic()
        while not asked.done():
            assert (await http.get("/healthz")).status_code == 200
            await asyncio.sleep(0)
            worst, last = max(worst, time.monotonic() - last), time.monotonic()
        response = await asked
    assert worst < 2
    assert response.status_code == status, response.text[:500]
    if code:
        error = response.json()["error"]
        assert error["code"] == code and len(error["message"]) < 500


def sets(count: int) -> dict[str, str]:
    """Make a pattern of many character sets, which `re` compiles slowly: some 4,000 steps each."""
    return {"pattern": "".join(f"[{chr(0x100 + at)}-{chr(0xFF00 + at)}]?" for at in range(count))}


async def test_a_schema_over_the_budget_is_the_clients_error_and_names_the_place(run: Running) -> None:
    schema = {"type": "object", "properties": {"a": sets(200)}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    async with plain(run.url) as http:
        response = await http.post(CHAT, json=ask("held", response_format=wanted), timeout=60)
    error = response.json()["error"]
    place = "response_format.json_schema.schema/properties/a/pattern"
    assert (response.status_code, error["code"], error["param"]) == (400, "request_too_complex", place)
    assert not run.sim.calls


async def test_a_schema_is_paid_for_once_whatever_the_attempts(run: Running) -> None:
    """It takes two thirds of the budget, so that a second time would exceed it."""
    run.sim.answers["sim-x"] = Answer('"Ā"')
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": sets(85)}}
    async with plain(run.url) as http:
        response = await http.post(CHAT, json=ask("twice", response_format=wanted), timeout=60)
    assert response.status_code == 200, response.text
    assert len(run.sim.calls) == 2
