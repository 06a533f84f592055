"""POST /v1/embeddings: the results of the OpenAI SDK, each provider's requests, and the errors."""

import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, PermissionDeniedError, RateLimitError
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.accounting.record import access_line
from proxy.simulator import Answer, InjectedFault
from proxy.simulator.formats.embeddings import DIMENSIONS, vector
from tests.end_to_end.clients import plain, sdk
from tests.end_to_end.running import CONFIG, Running, fresh, running
from tests.end_to_end.spans import spans_of
from tests.end_to_end.wire import until

pytestmark = pytest.mark.anyio

PATH = "/v1/embeddings"
EMBED = (
    CONFIG
    + """
  "litellm-*": {{target: "openai/*", engine: litellm}}
  safe: {{target: openai/safe, policies: [redact/all, token_cap/small, json_guard/strict, cost_cap/cheap]}}
  wide: {{target: openai/wide, policies: [redact/wide]}}
  blocked: {{target: openai/blocked, policies: [redact/block]}}
  dear: {{target: openai/text-embedding-3-small, policies: [cost_cap/nothing]}}
  priced: {{target: openai/text-embedding-3-small}}
  able: {{targets: [anthropic/claude-sonnet-4-5, openai/able]}}
  falls: {{target: openai/first, fallbacks: [falls-to]}}
  falls-to: {{target: gemini/second}}
prices: {{safe: {{input: 1, output: 0}}}}
policies:
  redact/all: {{rules: [{{name: secret, regex: "PRJ-[0-9]+", replace: "[TICKET]", direction: both}}]}}
  redact/wide: {{rules: [{{name: wide, regex: "[A-Za-z0-9+/]{{20,40}}", direction: response}}]}}
  redact/block: {{rules: [{{name: secret, regex: "PRJ-[0-9]+", action: block, direction: request}}]}}
  token_cap/small: {{max_tokens: 1}}
  json_guard/strict: {{on_invalid: stop, when: always}}
  cost_cap/cheap: {{max_usd: 1}}
  cost_cap/nothing: {{max_usd: 0.0000000001}}
"""
)
EACH = ("openai", "gemini", "litellm")
SECRET = "see PRJ-1234 now"


@pytest.fixture(scope="module")
async def embedding(anyio_backend: object, litellm_used: None) -> AsyncIterator[Running]:
    async with running(EMBED) as run:
        yield run


@pytest.fixture
async def run(embedding: Running) -> AsyncIterator[Running]:
    async with fresh(embedding) as run:
        run.sim.answers["m"] = Answer("")
        yield run


@pytest.fixture
async def client(run: Running) -> AsyncIterator[AsyncOpenAI]:
    async with sdk(run.url) as client:
        yield client


async def post(run: Running, body: dict[str, Any]) -> httpx.Response:
    async with plain(run.url) as http:
        return await http.post(PATH, json=body)


@pytest.mark.parametrize("provider", EACH)
async def test_the_sdk_gets_a_vector_for_each_text_in_its_order(
    run: Running, client: AsyncOpenAI, provider: str
) -> None:
    answer = await client.embeddings.create(model=f"{provider}-m", input=["one", "two", "three"])
    assert [entry.embedding for entry in answer.data] == [vector(index, DIMENSIONS) for index in range(3)]
    assert [entry.index for entry in answer.data] == [0, 1, 2]
    assert answer.object == "list" and answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    record = await run.recorded()
    assert (record.operation, record.outcome, record.status, record.stream) == ("embeddings", "completed", 200, False)
    assert record.usage is not None and (record.usage.completion, record.usage.prompt > 0) == (0, True)


@pytest.mark.parametrize("provider", EACH)
@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_a_client_gets_the_encoding_and_the_size_that_it_asked_for(
    run: Running, provider: str, encoding: str
) -> None:
    model = f"{provider}-text-embedding-3-m" if provider == "litellm" else f"{provider}-m"
    run.sim.answers["text-embedding-3-m"] = Answer("")
    answer = await post(run, {"model": model, "input": "Hi", "encoding_format": encoding, "dimensions": 4})
    assert answer.status_code == 200, answer.text
    [entry] = answer.json()["data"]
    packed = base64.b64encode(struct.pack("<4f", *vector(0, 4))).decode()
    assert entry["embedding"] == (vector(0, 4) if encoding == "float" else packed)
    assert answer.headers["x-sluice-id"].startswith("embd-")
    assert answer.headers["x-sluice-target"]


async def test_an_openai_format_server_gets_the_clients_own_json(run: Running) -> None:
    body = {"model": "openai-m", "input": [[1, 2, 3], [4]], "user": "u", "encoding_format": "base64"}
    assert (await post(run, body)).status_code == 200
    call = await run.sim.next_call()
    assert (call.path, call.body) == (PATH, {**body, "model": "m"})
    assert (await run.recorded()).usage is not None


async def test_gemini_gets_one_batch(run: Running) -> None:
    answer = await post(run, {"model": "gemini-m", "input": ["a", "b"], "dimensions": 3, "user": "u"})
    call = await run.sim.next_call()
    assert call.path == "/v1beta/models/m:batchEmbedContents"
    assert call.body["requests"][1] == {
        "model": "models/m",
        "content": {"parts": [{"text": "b"}]},
        "outputDimensionality": 3,
    }
    assert answer.json()["usage"]["x_sluice"] == {"source": "estimated"}  # the provider tells no counts


@pytest.mark.parametrize(
    ("model", "more", "param", "told"),
    [
        ("gemini-m", {"input": ["a"] * 101}, "input", "at most 100"),
        ("gemini-m", {"input": [1, 2]}, "input", "send texts"),
        ("gemini-m", {"input": "a", "truncate": "END"}, "truncate", "truncate"),
        ("litellm-m", {"input": "a", "truncate": "END"}, "truncate", "truncate"),
        ("openai-m", {"input": ["a"] * 2049}, "input", "2048"),
        ("openai-m", {"input": []}, "input", "empty"),
        ("openai-m", {"input": ["a", ""]}, "input[1]", "empty"),
        ("openai-m", {"input": ["a", 1]}, "input[1]", "string"),
        ("openai-m", {"input": [[1], "a"]}, "input[1]", "token"),
        ("openai-m", {"input": {"a": 1}}, "input", "string"),
        ("openai-m", {}, "input", "input"),
        ("openai-m", {"input": "a", "encoding_format": "hex"}, "encoding_format", "base64"),
        ("openai-m", {"input": "a", "dimensions": 0}, "dimensions", "1"),
        ("openai-m", {"input": "a", "stream": True}, "stream", "not streamed"),
        ("openai-m", {"input": "a", "api_base": "http://x"}, "api_base", "configuration"),
    ],
)
async def test_a_refusal_names_the_field_and_asks_no_provider(
    run: Running, model: str, more: dict[str, Any], param: str, told: str
) -> None:
    answer = await post(run, {"model": model, **more})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert told in error["message"]
    assert not list(run.sim.calls)


async def test_a_target_without_embeddings_is_told_and_passed_over(run: Running, client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        await client.embeddings.create(model="anthropic-m", input="Hi")
    assert "anthropic/m has no embeddings" in refused.value.message
    run.sim.answers["able"] = Answer("")
    assert (await client.embeddings.create(model="able", input="Hi")).data


async def test_policies_act_on_the_texts_of_a_request_and_leave_vectors_alone(run: Running) -> None:
    run.sim.answers["safe"] = Answer("")
    answer = await post(run, {"model": "safe", "input": [SECRET, "harmless"], "user": SECRET})
    assert answer.status_code == 200, answer.text
    call = await run.sim.next_call()
    assert call.body == {"model": "safe", "input": ["see [TICKET] now", "harmless"], "user": SECRET}
    record = await run.recorded()
    assert record.outcome == "completed"
    assert [(note.rule, note.channel) for note in record.notes] == [("secret", "request")]
    assert record.bill is not None and record.bill.cost is not None


async def test_a_vector_in_base64_is_no_text(run: Running) -> None:
    run.sim.answers["wide"] = Answer("")
    answer = await post(run, {"model": "wide", "input": "Hi", "encoding_format": "base64"})
    packed = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector(0, DIMENSIONS))).decode()
    assert answer.json()["data"][0]["embedding"] == packed


async def test_a_rule_can_block_a_text(run: Running, client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError, match="secret"):
        await client.embeddings.create(model="blocked", input=SECRET)
    assert not list(run.sim.calls)


async def test_a_cost_cap_refuses_a_prompt_that_costs_more(run: Running, client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError, match="would cost more"):
        await client.embeddings.create(model="dear", input="a long text " * 100)


async def test_a_prompt_is_billed_and_nothing_else(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["text-embedding-3-small"] = Answer("")
    answer = await client.embeddings.create(model="priced", input="some text of a few tokens")
    bill = (await run.recorded()).bill
    assert bill is not None and bill.cost is not None and bill.source == "reported"
    assert bill.cost.total == pytest.approx(answer.usage.prompt_tokens * 0.02e-6)
    line = access_line(run.records[-1])
    assert (line["operation"], line["prompt_tokens"], line["completion_tokens"]) == (
        "embeddings",
        answer.usage.prompt_tokens,
        0,
    )


async def test_a_failed_target_is_followed_by_its_fallback(run: Running, client: AsyncOpenAI) -> None:
    run.sim.answers["first"] = Answer("", fault=InjectedFault("status", status=503))
    run.sim.answers["second"] = Answer("")
    answer = await client.embeddings.create(model="falls", input=["a", "b"])
    assert len(answer.data) == 2
    assert [tried.error for tried in (await run.recorded()).tries] == ["overloaded", None]


@pytest.mark.parametrize("provider", EACH)
async def test_a_providers_refusal_is_the_sdks_own_error(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer("", fault=InjectedFault("status", status=429))
    with pytest.raises(RateLimitError):
        await client.embeddings.create(model=f"{provider}-m", input="Hi")
    assert (await run.recorded()).outcome == "upstream_error"


@pytest.mark.parametrize("provider", EACH)
async def test_an_answer_that_breaks_off_is_an_error(run: Running, provider: str) -> None:
    run.sim.answers["m"] = Answer("", fault=InjectedFault("drop", after=0))
    answer = await post(run, {"model": f"{provider}-m", "input": "Hi"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_died")


@pytest.mark.parametrize("provider", EACH)
async def test_a_client_that_leaves_stops_the_provider(run: Running, provider: str) -> None:
    run.sim.answers["m"] = Answer("", head_delay=60)
    async with plain(run.url) as http:
        asking = http.build_request("POST", PATH, json={"model": f"{provider}-m", "input": "Hi"}, timeout=0.3)
        with pytest.raises(httpx.ReadTimeout):
            await http.send(asking)
    call = await run.sim.next_call()
    await until(call.closed_by_client.is_set)
    assert (await run.recorded()).outcome == "client_cancelled"


async def test_a_request_can_be_cancelled_by_its_id(run: Running) -> None:
    run.sim.answers["m"] = Answer("", head_delay=60)
    async with plain(run.url) as http:

        async def cancel() -> int:
            await run.sim.next_call()
            [running] = run.gateway.streams
            return (await http.post(f"{PATH}/{running.record.id}/cancel")).status_code

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel)
            answer = await http.post(PATH, json={"model": "openai-m", "input": "Hi"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "incomplete_answer")


async def test_an_unknown_model_and_one_that_the_key_may_not_use() -> None:
    keys = """
auth: {{keys: [{{name: team, key: client-key-0123456789, models: ["openai-*"]}}]}}
"""
    async with running(CONFIG, keys) as run, sdk(run.url) as client:
        with pytest.raises(NotFoundError):
            await client.embeddings.create(model="openai-", input="Hi")
        with pytest.raises(PermissionDeniedError):
            await client.embeddings.create(model="gemini-m", input="Hi")
        async with plain(run.url) as http:
            assert (await http.post(PATH, json={"model": "openai-m", "input": "Hi"})).status_code == 401


async def test_spans_and_metrics_name_the_operation() -> None:
    spans = InMemorySpanExporter()
    async with (
        running(CONFIG, "telemetry: {{metrics: prometheus}}\n", exporters=[spans]) as run,
        sdk(run.url) as client,
    ):
        run.sim.answers["m"] = Answer("")
        await client.embeddings.create(model="openai-m", input="Hi")
        told = await spans_of(run, spans)
        async with plain(run.url) as http:
            metrics = (await http.get("/metrics")).text
    by_name = {span.name: dict(span.attributes or {}) for span in told}
    assert by_name.keys() == {"POST /v1/embeddings", "embeddings m", "attempt openai"}
    assert by_name["embeddings m"]["gen_ai.operation.name"] == "embeddings"
    assert "gen_ai.response.finish_reasons" not in by_name["embeddings m"]
    assert json.dumps(metrics).count('gen_ai_operation_name=\\"embeddings\\"')
