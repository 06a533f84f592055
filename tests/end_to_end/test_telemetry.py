"""The spans of real requests, for every possible end: one complete tree each, without any text."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from policies import POLICIES
from policies.base import PolicyType
from proxy.config.models import Strict
from proxy.simulator import Answer
from proxy.telemetry import names
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running
from tests.end_to_end.spans import Tree, id_of, parent_of, spans_of, tree
from tests.end_to_end.test_usage_on_every_exit import (
    TEXT,
    Block,
    block,
    cancel,
    cap,
    death,
    disconnect,
    failure,
    finish,
    post,
    stall,
)

pytestmark = pytest.mark.anyio

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "jane.doe@example.com"
EXTRA = """
  "capped-openai-*": {{target: "openai/*", policies: [token_cap/t]}}
  "broken-openai-*": {{target: "openai/*", policies: [block/broken]}}
  "blocked-openai-*": {{target: "openai/*", policies: [block/t]}}
  "redacted-*": {{target: "openai/*", policies: [redact/pii]}}
  falling: {{target: openai/sim-chat.fail-500, fallbacks: [gemini-sim-chat]}}
policies:
  token_cap/t: {{max_chunks: 9}}
  block/t: {{}}
  block/broken: {{}}
  redact/pii: {{rules: [{{name: email, entity: email, replace: "[EMAIL]"}}]}}
prices: {{"sim-*": {{input: 10, output: 100}}}}
timeouts: {{first_token: 1, idle: 1}}
"""


@pytest.fixture(scope="module")
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(scope="module")
async def traced(anyio_backend: object, kept: InMemorySpanExporter) -> AsyncIterator[Running]:
    types = {**POLICIES, "block": PolicyType(config=Strict, build=Block, stage=50, guards=lambda config: False)}
    async with running(CONFIG + EXTRA, policies=types, exporters=[kept]) as run:
        yield run


@pytest.fixture
async def run(traced: Running, kept: InMemorySpanExporter) -> AsyncIterator[Running]:
    async with fresh(traced) as run:
        kept.clear()
        yield run


async def told(run: Running, kept: InMemorySpanExporter) -> Tree:
    return tree(await spans_of(run, kept))


# ---- the schema
SERVER = {
    *{names.HTTP_METHOD, names.HTTP_ROUTE, names.URL_PATH, names.URL_SCHEME, names.SERVER_ADDRESS, names.SERVER_PORT},
    *{names.CLIENT_ADDRESS, names.REQUEST_ID, names.OUTCOME, names.KEY, names.ALIAS},
}
SERVER_MAY = {names.USER_AGENT, names.HTTP_STATUS, names.ERROR_TYPE, names.SEEN_FINISH_REASONS, names.DELIVERED}
CHAT_SPAN = {
    *{names.OPERATION, names.PROVIDER, names.REQUEST_MODEL, names.REQUEST_STREAM, names.OUTCOME, names.ATTEMPTS},
    *{names.BYTES, names.INPUT_TOKENS, names.OUTPUT_TOKENS, names.USAGE_SOURCE, names.COST},
}
CHAT_STREAM = {names.CHUNKS, names.MAX_GAP, names.TIME_TO_FIRST_CHUNK, names.DELIVERED, names.HELD}
CHAT_MAY = {
    *{names.SERVER_ADDRESS, names.SERVER_PORT, names.RESPONSE_ID, names.RESPONSE_MODEL, names.FINISH_REASONS},
    *{names.STOPPED_BY, names.TOKENIZER, names.ERROR_TYPE, names.TEMPERATURE, names.MAX_TOKENS},
    *{names.CACHE_READ, names.CACHE_WRITE, names.CACHE_CREATION, names.REASONING},
}
ATTEMPT = {
    *{names.ATTEMPT_NUMBER, names.ATTEMPT_PROVIDER, names.ATTEMPT_API, names.ATTEMPT_MODEL, names.ATTEMPT_REASON},
}
ATTEMPT_MAY = {
    *{names.ATTEMPT_CHOSEN, names.SERVER_ADDRESS, names.SERVER_PORT, names.HTTP_STATUS, names.ERROR_TYPE},
    names.ATTEMPT_FIRST_TOKEN,
}


def check_schema(found: Tree, stream: bool) -> None:
    """Check that each span has the required attributes, and no others."""
    assert SERVER <= set(found.server.attributes or {}) <= SERVER | SERVER_MAY
    if found.chat is not None:
        must = CHAT_SPAN | CHAT_STREAM if stream else CHAT_SPAN
        assert must <= set(found.answered) <= must | CHAT_MAY
    for attempt in found.attempts:
        assert ATTEMPT <= set(attempt.attributes or {}) <= ATTEMPT | ATTEMPT_MAY


# ---- the ways to end
Exit = Callable[[Running, str, bool], Awaitable[str]]
EXITS: tuple[tuple[Exit, str | None], ...] = (
    (finish, None),
    (cap, None),
    (block, None),
    (cancel, None),
    (disconnect, None),
    (failure, "policy_error"),
    (death, "upstream_died"),
    (stall, "timeout"),
)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("leave", "error"), EXITS, ids=lambda value: getattr(value, "__name__", "-"))
async def test_every_exit_gives_one_tree(
    run: Running, kept: InMemorySpanExporter, leave: Exit, error: str | None, stream: bool
) -> None:
    outcome = await leave(run, "openai", stream)
    found = await told(run, kept)
    check_schema(found, stream)
    assert len(found.all) == 3
    for span in (found.server, found.chat):
        assert span is not None and span.attributes is not None
        assert span.attributes[names.OUTCOME] == outcome
        assert span.attributes.get(names.ERROR_TYPE) == error
        assert span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
    usage_on = [span for span in found.all if any("gen_ai" in name for name in span.attributes or {})]
    assert usage_on == [found.chat]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_each_provider_by_its_name(run: Running, kept: InMemorySpanExporter, provider: str) -> None:
    await finish(run, provider, True)
    found = await told(run, kept)
    check_schema(found, True)
    assert found.answered[names.PROVIDER] == {"gemini": "gcp.gemini"}.get(provider, provider)
    assert found.answered[names.REQUEST_MODEL] == "sim-x"
    assert found.answered[names.OUTPUT_TOKENS] == 50
    assert found.answered[names.USAGE_SOURCE] == "reported"
    assert found.answered[names.FINISH_REASONS] == ("stop",)
    assert found.chat is not None and found.chat.name == "chat sim-x"
    assert (found.server.name, found.attempts[0].name) == (f"POST {CHAT}", f"attempt {provider}")


async def test_a_thousand_chunks_are_three_spans_without_events(run: Running, kept: InMemorySpanExporter) -> None:
    run.sim.answers["sim-x"] = Answer("abcd" * 1000, pace=0.001)
    await post(run, "openai-sim-x", True)
    found = await told(run, kept)
    assert len(found.all) == 3
    assert not any(span.events for span in found.all)
    assert found.answered[names.OUTPUT_TOKENS] == 1000
    assert 1 < found.answered[names.CHUNKS] <= 1001
    assert found.answered[names.BYTES] > 4_000
    assert 0 < found.answered[names.MAX_GAP] < 2


@pytest.mark.parametrize(
    ("body", "status"),
    [({"model": "openai-sim-x"}, 400), (ask("nobody"), 404), (ask("openai-sim-chat.fail-400"), 400)],
)
async def test_a_request_that_was_wrong_is_no_error(
    run: Running, kept: InMemorySpanExporter, body: dict[str, Any], status: int
) -> None:
    async with plain(run.url) as http:
        assert (await http.post(CHAT, json=body)).status_code == status
    found = await told(run, kept)
    attributes = found.server.attributes or {}
    assert (attributes[names.HTTP_STATUS], attributes[names.OUTCOME]) == (status, "refused")
    assert found.server.status.status_code is StatusCode.UNSET and names.ERROR_TYPE not in attributes


async def test_a_provider_that_refuses_is_told_on_its_attempt(run: Running, kept: InMemorySpanExporter) -> None:
    await post(run, "openai-sim-chat.fail-429", True)
    found = await told(run, kept)
    assert found.attempts and found.attempts[-1].attributes is not None
    assert found.attempts[-1].attributes[names.HTTP_STATUS] == 429
    assert found.attempts[-1].status.status_code is StatusCode.ERROR
    assert names.INPUT_TOKENS not in found.answered
    assert found.answered[names.ERROR_TYPE] == found.attempts[-1].attributes[names.ERROR_TYPE]


async def test_a_fallback_is_an_attempt_of_its_own_and_names_the_chat_span(
    run: Running, kept: InMemorySpanExporter
) -> None:
    await post(run, "falling", True)
    found = await told(run, kept)
    check_schema(found, True)
    assert found.chat is not None and found.chat.name == "chat sim-chat"
    assert found.answered[names.PROVIDER] == "gcp.gemini"
    told_of = [dict(span.attributes or {}) for span in found.attempts]
    assert [(one[names.ATTEMPT_PROVIDER], one[names.ATTEMPT_REASON]) for one in told_of] == [
        ("openai", "initial"),
        ("gemini", "fallback"),
    ]
    assert told_of[0][names.HTTP_STATUS] == 500
    assert [span.status.status_code for span in found.attempts] == [StatusCode.ERROR, StatusCode.UNSET]
    assert found.server.status.status_code is found.chat.status.status_code is StatusCode.UNSET


# ---- context
async def test_the_chain_from_the_caller_to_the_provider(run: Running, kept: InMemorySpanExporter) -> None:
    async with plain(run.url) as http:
        headers = {"traceparent": CALLER, "tracestate": "vendor=1", "baggage": "user.id=jane"}
        answer = await http.post(CHAT, json=ask("openai-sim-chat", stream=True), headers=headers)
    found = await told(run, kept)
    assert parent_of(found.server) == 0xB7AD6B7169203331
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    assert f"{found.server.context.trace_id:032x}" == trace_id == answer.headers["x-trace-id"]
    call = await run.sim.next_call()
    assert "b7ad6b7169203331" not in call.headers["traceparent"]
    assert call.headers["traceparent"] == f"00-{trace_id}-{id_of(found.attempts[0]):016x}-01"
    assert call.headers["tracestate"] == "vendor=1"
    assert "baggage" not in call.headers
    record = run.records[-1]
    assert (record.trace_id, record.span_id) == (trace_id, f"{id_of(found.server):016x}")


async def test_a_caller_that_does_not_sample_is_followed_and_still_measured(
    run: Running, kept: InMemorySpanExporter
) -> None:
    async with plain(run.url) as http:
        await http.post(CHAT, json=ask("openai-sim-chat"), headers={"traceparent": CALLER[:-1] + "0"})
        metrics = (await http.get("/metrics")).text
    assert await spans_of(run, kept) == []
    assert (await run.sim.next_call()).headers["traceparent"].endswith("-00")
    assert run.records[-1].trace_id == CALLER[3:35] and not run.records[-1].sampled
    assert 'sluice_streams_finished_total{error_type="",sluice_model_alias="openai-*"' in metrics


# ---- policies
async def test_what_policies_did_is_told_once_for_each_rule(run: Running, kept: InMemorySpanExporter) -> None:
    run.sim.answers["sim-x"] = Answer(f"Write to {SECRET} or to {SECRET}, please.")
    await post(run, "redacted-sim-x", True)
    found = await told(run, kept)
    assert found.chat is not None
    [event] = found.chat.events
    told_of = dict(event.attributes or {})
    version = told_of.pop(names.POLICY_VERSION)
    assert isinstance(version, str) and len(version) == 12
    assert event.name == names.POLICY_EVENT
    assert told_of == {
        names.POLICY: "redact/pii",
        names.POLICY_RULE: "email",
        names.POLICY_ACTION: "redact",
        names.POLICY_CHANNEL: "content",
        names.POLICY_CHOICE: 0,
        names.POLICY_COUNT: 2,
        names.POLICY_OFFSET: 9,
    }


async def test_nothing_said_and_no_key_is_in_anything_that_is_exported(
    run: Running, kept: InMemorySpanExporter
) -> None:
    run.sim.answers["sim-x"] = Answer(f"zebra {SECRET} " + TEXT, reasoning="giraffe ")
    async with plain(run.url) as http:
        body = ask("redacted-sim-x", "antelope", stream=True, user="buffalo", stop=["warthog"])
        headers = {"authorization": "Bearer client-key-hyena", "cookie": "leopard", "baggage": "session.id=cheetah"}
        await http.post(CHAT, json=body, headers=headers)
        await http.post(CHAT, json={**ask("redacted-sim-x.fail-500", "antelope")}, headers=headers)
        metrics = (await http.get("/metrics")).text
    spans = await spans_of(run, kept, 2)
    assert len(spans) == 6
    everything = metrics + "".join(span.to_json() for span in spans)
    animals = ("zebra", "giraffe", "antelope", "buffalo", "warthog", "hyena", "leopard", "cheetah")
    for word in (*animals, SECRET, "abcdabcd", "provider-key"):
        assert word not in everything
