"""/admin/status and /admin/report show a running gateway to operators, and to nobody else."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, InjectedFault
from tests.end_to_end.clients import CHAT, ask, chunks_of, plain, text_of
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.wire import chat, client, until

pytestmark = pytest.mark.anyio

SHADOW = """
default_policies: [redact/enforced, redact/tried, redact/mixed]
policies:
  redact/enforced: {{rules: [{{name: secret, words: [secret], mask: "*"}}]}}
  redact/tried:
    mode: shadow
    rules:
      - {{name: word, words: [word]}}
      - {{name: numbers, regex: '\\d+', action: block}}
      - {{name: endless, regex: '<.*>'}}
  redact/mixed:
    rules: [{{name: quiet, words: [quiet], mode: shadow}}, {{name: loud, words: [loud], replace: "[L]"}}]
"""
KEYS = """
auth:
  keys:
    - {{name: team, key: team-key-0123456789}}
    - {{name: ops, key: ops-key-0123456789, admin: true}}
"""


async def status(http: httpx.AsyncClient) -> dict[str, Any]:
    response = await http.get("/admin/status")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


async def rules(http: httpx.AsyncClient) -> dict[str, tuple[str, str, int, int]]:
    """The report by `policy rule`: action, mode, times, requests."""
    found = (await http.get("/admin/report")).json()["rules"]
    return {f"{r['policy']} {r['rule']}": (r["action"], r["mode"], r["times"], r["requests"]) for r in found}


# ---- streams in flight
async def test_a_stream_in_flight_is_shown_without_its_text() -> None:
    extra = """
default_policies: [redact/words]
policies: {{redact/words: {{rules: [{{name: long, words: ["hidden treasure"]}}]}}}}
"""
    async with running(extra=extra) as run, plain(run.url) as http, client(run.port) as ours:
        run.sim.answers["m"] = Answer("say hidden tre", chunk=14, fault=InjectedFault("stall", after=1))
        await ours.send(chat("openai-m", prompt="my question"))
        await ours.until(b"say ")
        (shown,) = (await status(http))["streams"]["list"]
        assert shown["id"].startswith("chatcmpl-")
        told = {name: shown[name] for name in ("key", "model", "target", "stream", "state", "attempts", "held")}
        assert told == {
            "key": "anonymous",
            "model": "openai-m",
            "target": "openai/m",
            "stream": True,
            "state": "answering",
            "attempts": 1,
            "held": len("hidden tre"),
        }
        assert shown["tokens"] > 0 and shown["bytes"] > 0 and 0 < shown["age_s"] < 5
        whole = json.dumps(await status(http))
        for text in ("say", "hidden", "question", "provider-key"):
            assert text not in whole
        ours.close()
        await until(lambda: not run.gateway.streams)
        after = await status(http)
        assert (after["streams"]["in_flight"], after["totals"]["outcomes"]) == (0, {"client_cancelled": 1})


async def test_a_request_that_waits_for_its_provider_is_shown_so() -> None:
    async with running() as run, plain(run.url) as http, client(run.port) as ours:
        run.sim.answers["m"] = Answer(fault=InjectedFault("stall"))
        await ours.send(chat("openai-m"))
        await run.sim.next_call()
        (shown,) = (await status(http))["streams"]["list"]
        assert (shown["state"], shown["tokens"], shown["tokens_per_s"]) == ("waiting", 0, None)
        ours.close()


@pytest.mark.parametrize(
    ("policies", "answer", "held"),
    [
        ("{{json_guard/a: {{on_invalid: retry, when: always}}}}", '{"a": 1', 7),
        ("{{token_cap/a: {{max_tokens: 3}}}}", "aaaaaaaaaaaaaaaa", None),
    ],
)
async def test_every_policy_that_holds_says_how_much(policies: str, answer: str, held: int | None) -> None:
    name = policies.strip("{}").partition(":")[0]
    extra = f"\ndefault_policies: [{name}]\npolicies: {policies}\n"
    async with running(extra=extra) as run, plain(run.url) as http, client(run.port) as ours:
        run.sim.answers["m"] = Answer(answer, chunk=0, fault=InjectedFault("stall", after=1))
        await ours.send(chat("openai-m"))
        async with asyncio.timeout(5):
            while True:
                listed = (await status(http))["streams"]["list"]
                if listed and listed[0]["tokens"]:
                    break
        assert listed[0]["held"] == held if held is not None else listed[0]["held"] > 0
        ours.close()


# ---- totals and targets
async def test_totals_and_targets_are_shown() -> None:
    config = CONFIG.replace("failures: 1000000", "failures: 2")
    async with running(config) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("a b c d ", chunk=4)
        run.sim.answers["down"] = Answer(fault=InjectedFault("status", status=500))
        for model in ("openai-m", "anthropic-m", "gemini-down", "gemini-down"):
            await http.post(CHAT, json=ask(model))
        found = await status(http)
        assert found["totals"]["outcomes"] == {"completed": 2, "upstream_error": 2}
        assert (found["totals"]["requests"], found["totals"]["attempts"]) == (4, 4)
        assert found["totals"]["completion_tokens"] > 0
        targets = {target["name"]: target for target in found["targets"]}
        assert targets["openai/m"]["state"] == targets["anthropic/m"]["state"] == "up"
        assert targets["openai/m"]["first_token_s"] > 0
        down = targets["gemini/down"]
        assert (down["state"], down["failures"], down["first_token_s"]) == ("cooling", 2, None)
        assert 0 < down["opens_in_s"] <= 30


# ---- shadow mode
@pytest.mark.parametrize("stream", [True, False])
async def test_shadow_rules_change_and_delay_nothing_and_are_counted(stream: bool) -> None:
    """This includes rules that would block, and rules that would hold all following text."""
    text = "a word, a quiet 123 and a <loud secret and wor"
    async with running(extra=SHADOW) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer(text, chunk=1)
        response = await http.post(CHAT, json=ask("openai-m", stream=stream))
        got = text_of(chunks_of(response.text)) if stream else response.json()["choices"][0]["message"]["content"]
        assert got == "a word, a quiet 123 and a <[L] ****** and wor"
        assert await rules(http) == {
            "redact/enforced secret": ("redact", "enforce", 1, 1),
            "redact/mixed loud": ("redact", "enforce", 1, 1),
            "redact/mixed quiet": ("redact", "shadow", 1, 1),
            "redact/tried endless": ("redact", "shadow", 0, 0),
            "redact/tried numbers": ("block", "shadow", 1, 1),
            "redact/tried word": ("redact", "shadow", 1, 1),
        }


SETS = """
default_policies: [redact/all]
policies: {{redact/all: {{rules: [{{name: pii, entity: pii}}, {{name: keys, entity: secrets, mode: shadow}}]}}}}
"""


async def test_a_set_is_one_row_until_one_of_it_acts() -> None:
    async with running(extra=SETS) as run, plain(run.url) as http:
        keys = ("redact", "shadow", 0, 0)
        assert await rules(http) == {"redact/all pii": ("redact", "enforce", 0, 0), "redact/all keys": keys}
        assert {row["last"] for row in (await http.get("/admin/report")).json()["rules"]} == {None}
        run.sim.answers["m"] = Answer("amy@corp.example")
        await http.post(CHAT, json=ask("openai-m"))
        assert await rules(http) == {"redact/all pii.email": ("redact", "enforce", 1, 1), "redact/all keys": keys}


async def test_nothing_is_held_for_a_shadow_rule() -> None:
    async with running(extra=SHADOW) as run, plain(run.url) as http, client(run.port) as ours:
        run.sim.answers["m"] = Answer("so <a wor", chunk=9, fault=InjectedFault("stall", after=1))
        await ours.send(chat("openai-m"))
        await ours.until(b"so <a wor")
        assert (await status(http))["streams"]["list"][0]["held"] == 0
        ours.close()


# ---- who may see it
@pytest.mark.parametrize(("method", "path"), [("GET", "/status"), ("GET", "/report"), ("POST", "/reload")])
async def test_with_keys_it_takes_an_admin(keyed: Running, method: str, path: str) -> None:
    async with plain(keyed.url) as http:
        for key, code in ((None, 401), ("none-key-0123456789", 401), ("team-key-0123456789", 403)):
            headers = {"authorization": f"Bearer {key}"} if key else {}
            assert (await http.request(method, f"/admin{path}", headers=headers)).status_code == code
        answer = await http.request(method, f"/admin{path}", headers={"x-api-key": "ops-key-0123456789"})
        assert answer.status_code == (409 if path == "/reload" else 200)
        assert answer.headers["cache-control"] == "no-store"


async def test_without_keys_it_takes_a_local_name_and_no_web_page(keyed: Running) -> None:
    async with running() as run, plain(run.url) as http:
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            assert (await http.get("/admin/status", headers=headers)).status_code == 403
        assert (await http.get("/admin/status")).status_code == 200


@pytest.fixture
async def keyed(anyio_backend: object) -> Any:
    async with running(extra=KEYS) as run:
        yield run
