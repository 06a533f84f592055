"""Retries, fallbacks and the choice of a target, as clients and providers see them.

tests/end_to_end/test_failures.py tests the result of each failure.
"""

import asyncio
import itertools
import re
from collections import Counter
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.config.resolve import resolve
from proxy.simulator import Answer
from proxy.simulator.answers import InjectedFault
from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, chunks_of, failure_of, plain, text_of
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.spans import spans_of
from tests.end_to_end.wire import chat, client, until

pytestmark = pytest.mark.anyio

ONCE = "retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}"
QUICK = "attempts: 3, backoff: {{initial: 0.01, max: 0.05}}, cooldown: {{failures: 1000000}}"
KEEP_ALIVE = b": keep-alive\n\n"


def gateway(models: str = "", retries: str = QUICK, server: str = "") -> AbstractAsyncContextManager[Running]:
    """Run a gateway with more `models` (YAML lines), and the other providers behind them."""
    config = CONFIG.replace(ONCE, f"retries: {{{{{retries}}}}}").replace("port: 0", f"port: 0{server}")
    return running(config, models)


async def post(run: Running, model: str, *, stream: bool = False, **more: Any) -> httpx.Response:
    async with plain(run.url) as http:
        return await http.post(CHAT, json=ask(model, stream=stream, **more))


def called(run: Running) -> list[str]:
    """The models of the providers' calls, in their order."""
    return [call.model for call in run.sim.calls]


# ---- waiting before a retry
async def test_what_a_provider_asks_for_is_waited_for() -> None:
    async with gateway(retries="backoff: {{initial: 0.01, max: 2}}") as run:
        response = await post(run, "openai-sim-chat.fail-429.retry-1.times-1")
        first, second = run.sim.calls
    assert response.status_code == 200
    assert second.started - first.started >= 0.9


async def test_a_target_that_asked_for_a_rest_is_spared_by_other_requests() -> None:
    models = '  m: {{targets: ["openai/sim-chat.fail-429.retry-60.times-1", "gemini/sim-chat"]}}\n'
    async with gateway(models) as run:
        for _ in range(12):
            assert (await post(run, "m")).status_code == 200
        providers = Counter(call.provider for call in run.sim.calls)
    assert providers["openai"] <= 1
    assert providers["gemini"] == 12


async def test_the_wait_grows_up_to_its_bound() -> None:
    async with gateway(retries="attempts: 5, backoff: {{initial: 0.05, max: 0.1}}") as run:
        await post(run, "openai-sim-chat.fail-500")
        times = [call.started for call in run.sim.calls]
    waits = [after - before for before, after in itertools.pairwise(times)]
    assert len(waits) == 4
    assert waits[0] >= 0.02 and min(waits[1:]) >= 0.04
    assert max(waits) < 2


# ---- a client that waits
@pytest.mark.parametrize("fault", ["fail-500", "hang"])
async def test_a_client_hears_of_retries_and_gets_the_failure_as_an_event(fault: str) -> None:
    retries = "attempts: 3, backoff: {{initial: 0.3, max: 0.3}}"
    async with gateway("timeouts: {{first_token: 0.6}}\n", retries, ", keep_alive: 0.05") as run:
        response = await post(run, f"openai-sim-chat.{fault}", stream=True)
        record = await run.recorded()
    assert (response.status_code, record.status) == (200, 200)
    assert response.content.startswith(KEEP_ALIVE * 3)
    assert b"[DONE]" not in response.content
    chunks, error = failure_of(response.text)
    assert not chunks and error["code"] in ("upstream_error", "upstream_timeout")
    assert len(record.tries) == 3


@pytest.mark.parametrize("fault", ["fail-500", "hang"])
async def test_a_fallback_serves_a_client_that_has_heard_comments_alone(fault: str) -> None:
    models = (
        f'  m: {{{{target: "gemini/sim-chat.{fault}", fallbacks: [spare]}}}}\n  spare: {{{{target: openai/sim}}}}\n'
    )
    retries = "attempts: 2, backoff: {{initial: 0.3, max: 0.3}}"
    async with gateway(models + "timeouts: {{first_token: 0.6}}\n", retries, ", keep_alive: 0.05") as run:
        response = await post(run, "m", stream=True)
        last = run.sim.calls[-1]
        assert (await run.recorded()).outcome == "completed"
    assert response.content.startswith(KEEP_ALIVE * 3)
    assert text_of(chunks_of(response.text)) == last.text_sent != ""
    assert [call.provider for call in run.sim.calls] == ["gemini", "gemini", "openai"]


async def test_a_whole_request_hears_no_comments() -> None:
    retries = "attempts: 2, backoff: {{initial: 0.3, max: 0.3}}"
    async with gateway(retries=retries, server=", keep_alive: 0.05") as run:
        response = await post(run, "openai-sim-chat.fail-500")
    assert (response.status_code, response.headers["x-should-retry"]) == (502, "false")


async def test_a_limit_stays_one_when_the_wait_for_a_retry_would_pass_the_keep_alive() -> None:
    retries = "attempts: 3, backoff: {{initial: 20, max: 20}}"
    async with gateway(retries=retries, server=", keep_alive: 4") as run:
        response = await post(run, "openai-sim-chat.fail-429", stream=True)
        await run.recorded()
    assert (response.status_code, response.json()["error"]["type"]) == (429, "rate_limit_error")


# ---- no retry after the first event, whatever a policy does
HOLDS = """
  held: {{target: openai/held, policies: [redact/all]}}
policies: {{redact/all: {{max_hold: 4096, rules: [{{name: run, regex: x+END}}]}}}}
"""


async def test_an_answer_that_is_held_back_in_full_may_be_tried_again() -> None:
    async with gateway(HOLDS) as run:
        run.sim.answers["held"] = [
            Answer("x" * 100, pace=0.01, fault=InjectedFault("drop", after=10)),
            Answer("x" * 100 + "END."),
        ]
        response = await post(run, "held", stream=True)
        record = await run.recorded()
    assert text_of(chunks_of(response.text)) == "[RUN]."
    assert [entry.error for entry in record.tries] == ["upstream_died", None]
    assert record.usage is not None and record.usage.completion >= 10 + 26  # both are billed


async def test_one_event_is_enough_to_end_with_it() -> None:
    async with gateway(HOLDS) as run:
        run.sim.answers["held"] = Answer("See " + "x" * 100, pace=0.01, fault=InjectedFault("drop", after=10))
        response = await post(run, "held", stream=True)
        assert len(run.sim.calls) == 1
    chunks, error = failure_of(response.text)
    assert (text_of(chunks), error["code"]) == ("See ", "upstream_died")


async def test_a_fallback_keeps_the_policies_of_the_model_that_was_asked_for() -> None:
    models = """
  m: {{target: openai/broken, policies: [redact/pii], fallbacks: [spare]}}
  spare: {{target: gemini/spare, policies: []}}
policies: {{redact/pii: {{rules: [{{name: email, entity: email}}]}}}}
"""
    async with gateway(models) as run:
        run.sim.answers["broken"] = Answer(fault=InjectedFault("status", status=500))
        run.sim.answers["spare"] = Answer("Write to ann@example.com today.")
        for stream in (True, False):
            response = await post(run, "m", stream=stream)
            assert "ann@" not in response.text and "[EMAIL]" in response.text
        assert "ann@" in (await post(run, "spare")).text


# ---- an outage
async def test_a_target_that_keeps_failing_is_left_alone_then_probed_by_one_request() -> None:
    retries = "attempts: 1, cooldown: {{failures: 3, seconds: 0.5}}"
    async with gateway('  m: {{target: "openai/m"}}\n', retries) as run:
        run.sim.answers["m"] = Answer(fault=InjectedFault("status", status=500))
        assert [(await post(run, "m")).status_code for _ in range(3)] == [502] * 3
        refused = await post(run, "m")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_target")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await run.recorded(4)).outcome == "upstream_error"
        assert len(run.sim.calls) == 3

        await asyncio.sleep(0.55)
        run.sim.answers["m"] = Answer("well again", head_delay=0.3)
        probe = spawn(post(run, "m"))
        await until(lambda: len(run.sim.calls) == 4)
        assert (await post(run, "m")).status_code == 503  # one probe is enough
        assert (await probe).status_code == 200
        run.sim.answers["m"] = Answer("well again")
        assert [(await post(run, "m")).status_code for _ in range(3)] == [200] * 3


async def test_a_request_from_before_the_outage_makes_no_room_for_a_second_probe() -> None:
    retries = "attempts: 1, cooldown: {{failures: 2, seconds: 0.3}}"
    async with gateway('  m: {{target: "openai/m"}}\n', retries) as run, client(run.port) as old:
        run.sim.answers["m"] = Answer("late", head_delay=60)
        await old.send(chat("m"))
        await until(lambda: len(run.sim.calls) == 1)
        run.sim.answers["m"] = Answer(fault=InjectedFault("status", status=500))
        assert [(await post(run, "m")).status_code for _ in range(2)] == [502] * 2
        await asyncio.sleep(0.35)
        run.sim.answers["m"] = Answer("well again", head_delay=0.5)
        probe = spawn(post(run, "m"))
        await until(lambda: len(run.sim.calls) == 4)
        old.close()
        await run.recorded(3)
        assert (await post(run, "m")).status_code == 503
        assert (await probe).status_code == 200


async def test_a_probe_that_fails_keeps_the_target_alone() -> None:
    retries = "attempts: 1, cooldown: {{failures: 1, seconds: 0.3}}"
    async with gateway('  m: {{target: "openai/m"}}\n', retries) as run:
        run.sim.answers["m"] = Answer(fault=InjectedFault("status", status=500))
        codes = [(await post(run, "m")).json()["error"]["code"] for _ in range(2)]
        await asyncio.sleep(0.35)
        codes += [(await post(run, "m")).json()["error"]["code"] for _ in range(2)]
    assert codes == ["upstream_error", "no_target"] * 2


async def test_other_targets_serve_while_one_cools_down() -> None:
    models = '  m: {{targets: [openai/m, "gemini/sim-chat"]}}\n'
    retries = "cooldown: {{failures: 2, seconds: 60}}, backoff: {{initial: 0.01, max: 0.05}}"
    async with gateway(models, retries) as run:
        run.sim.answers["m"] = Answer(fault=InjectedFault("status", status=500))
        responses = [await post(run, "m") for _ in range(20)]
        providers = Counter(call.provider for call in run.sim.calls)
    assert {response.headers["x-sluice-target"] for response in responses} == {"gemini/sim-chat"}
    assert providers == {"openai": 2, "gemini": 20}


async def test_an_outage_does_not_multiply_the_load() -> None:
    async with gateway(retries=QUICK + ", budget: 0.1") as run:
        async with plain(run.url) as http:
            for _ in range(6):
                body = ask("openai-sim-chat.fail-500")
                await asyncio.gather(*(http.post(CHAT, json=body) for _ in range(10)))
        calls = len(run.sim.calls)
    assert 60 + 10 <= calls <= 60 + 10 + 6  # those saved up, then a tenth


# ---- which target
async def targets_of(run: Running, count: int, model: str = "m") -> Counter[str]:
    return Counter([(await post(run, model)).headers["x-sluice-target"] for _ in range(count)])


async def test_weights_are_shares() -> None:
    models = "  m: {{targets: [{{target: openai/sim, weight: 3}}, {{target: gemini/sim}}]}}\n"
    async with gateway(models) as run:
        found = await targets_of(run, 120)
    assert 65 <= found["openai/sim"] <= 112  # 90 is meant; beyond these bounds once in a hundred thousand runs


async def test_lowest_latency_goes_to_the_faster() -> None:
    models = '  m: {{targets: ["openai/sim.first-300", "gemini/sim"], strategy: lowest_latency}}\n'
    async with gateway(models) as run:
        for _ in range(3):
            await post(run, "gemini-sim")  # whatever a first call takes longer
        found = await targets_of(run, 25)
    assert found["gemini/sim"] >= 18
    assert found["openai/sim.first-300"] >= 1  # measured at least once


async def test_lowest_latency_notices_when_that_changes() -> None:
    models = "  m: {{targets: [openai/a, gemini/b], strategy: lowest_latency}}\n"
    async with gateway(models) as run:
        run.sim.answers |= {"a": Answer("a"), "b": Answer("b", first_delay=0.06)}
        await targets_of(run, 10)
        run.sim.answers |= {"a": Answer("a", first_delay=0.2), "b": Answer("b")}
        await targets_of(run, 10)
        found = await targets_of(run, 20)
    assert found["gemini/b"] >= 12


async def test_lowest_cost_goes_to_the_cheaper_while_it_works() -> None:
    models = """
  m: {{targets: [openai/dear, gemini/cheap], strategy: lowest_cost}}
prices: {{dear: {{input: 5, output: 15}}, cheap: {{input: 0.1, output: 0.3}}}}
"""
    async with gateway(models) as run:
        assert await targets_of(run, 8) == {"gemini/cheap": 8}
        run.sim.answers["cheap"] = Answer(fault=InjectedFault("status", status=503))
        assert await targets_of(run, 2) == {"openai/dear": 2}


async def test_targets_that_cannot_serve_a_request_are_named_with_the_reason() -> None:
    models = """
  m: {{targets: [{{target: openai/a, supports: []}}, {{target: gemini/b, context_window: 50}}]}}
"""
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    async with gateway(models) as run:
        assert await targets_of(run, 3) != {}
        response = await post(run, "m", tools=tools)
        assert (response.status_code, response.headers["x-sluice-target"]) == (200, "gemini/b")
        messages = [{"role": "user", "content": "long words " * 100}]
        refused = await post(run, "m", tools=tools, messages=messages)
        assert set(called(run)) <= {"a", "b"} and refused.status_code == 400
    message = refused.json()["error"]["message"]
    assert re.search("openai/a takes no tools.*gemini/b takes a prompt of 50 tokens", message)


# ---- a policy's time while a retry is waited for
@pytest.mark.parametrize("wait", ["backoff", "queue"])
async def test_when_a_policys_time_is_over_in_a_wait_the_provider_is_not_asked_again(wait: str) -> None:
    """The client has got its end: another call could only cost."""
    models = (
        '  m: {{targets: [{{target: "openai/sim-chat.fail-503", max_streams: 1}}], policies: [token_cap/t]}}\n'
        '  busy: {{targets: [{{target: "openai/sim-chat.fail-503", max_streams: 1}}]}}\n'
        "policies: {{token_cap/t: {{max_seconds: 0.2}}}}\n"
    )
    initial = 5 if wait == "backoff" else 0.01
    async with gateway(models, f"backoff: {{{{initial: {initial}, max: 5}}}}", ", queue_seconds: 5") as run:
        if wait == "queue":
            place = next(iter(resolve(run.gateway.config, "m").places))  # type: ignore[union-attr]
            slots = run.gateway.targets.health(place).slots
            assert slots is not None
            await slots.take("The test")
        response = await post(run, "m", stream=True)
        record = await run.recorded()
        assert len(run.sim.calls) == (1 if wait == "backoff" else 0)
    last = chunks_of(response.text)[-1]
    assert last["choices"][0]["finish_reason"] == "length" and last["x_sluice"] == {"stopped_by": "token_cap/t"}
    assert response.text.endswith("data: [DONE]\n\n")
    assert (record.outcome, record.stopped_by) == ("policy_stopped", "token_cap/t")


async def test_a_whole_answer_and_its_trace_hold_nothing_of_a_failed_attempt() -> None:
    exporter = InMemorySpanExporter()
    config = CONFIG.replace(ONCE, f"retries: {{{{{QUICK}}}}}")
    async with running(config, "telemetry: {{content: redacted}}\n", exporters=[exporter]) as run:
        run.sim.answers["m"] = Answer("first words", chunk=2, fault=InjectedFault("drop", after=3, times=1))
        response = await post(run, "openai-m")
        spans = await spans_of(run, exporter)
        said = [dict(span.attributes or {}).get("gen_ai.output.messages") for span in spans]
    assert response.json()["choices"][0]["message"]["content"] == "first words"
    assert [text for text in said if text] == [
        '[{"role":"assistant","parts":[{"type":"text","content":"first words"}],"finish_reason":"stop"}]'
    ]
