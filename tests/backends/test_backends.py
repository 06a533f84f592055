"""The gateway's telemetry arrives correctly in a real Phoenix and a real Prometheus."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.accounting.record import Record
from proxy.providers import litellm
from proxy.simulator import Answer
from proxy.simulator.answers import InjectedFault
from proxy.telemetry import names
from tests.backends.processes import Phoenix, Prometheus, phoenix, prometheus
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import chat, client

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PROJECT = "sluice-test"
CONFIG = """
server: {{port: 0, drain_seconds: 0}}
providers:
  openai: {{api_key: provider-key, base_url: "{url}/v1"}}
  anthropic: {{api_key: provider-key, base_url: "{url}"}}
  gemini: {{api_key: provider-key, base_url: "{url}"}}
models:
  gpt: {{target: openai/gpt-4o-mini, policies: [redact/pii]}}
  claude: {{target: anthropic/claude-sonnet-4-5, policies: [redact/pii]}}
  gemini: {{target: gemini/gemini-2.5-flash, policies: [redact/pii]}}
  capped: {{target: openai/gpt-4o-mini, policies: [token_cap/short]}}
  blocked: {{target: openai/gpt-4o-mini, policies: [redact/block]}}
  failing: {{target: openai/sim-chat.fail-500, fallbacks: [gemini]}}
policies:
  redact/pii: {{rules: [{{name: email, entity: email, replace: "[EMAIL]"}}]}}
  redact/block: {{rules: [{{name: forbidden, words: [forbidden], action: block}}]}}
  token_cap/short: {{max_tokens: 8}}
telemetry:
  otlp: {{traces_endpoint: "PHOENIX/v1/traces"}}
  resource: {{openinference.project.name: PROJECT}}
  compat: [openinference]
retries: {{attempts: 1}}
"""
TEXT = "Write to jane@example.com about the words that are here. " * 4


_METRIC = re.compile(r"\b(?:sluice|gen_ai|http|process)_[a-z_]+_(?:total|bucket|sum|count|active|bytes)\b")


@dataclass(frozen=True)
class Told:
    """One request: its record, and the caller's span that it belongs to."""

    record: Record
    trace_id: str
    caller: str


@dataclass(frozen=True)
class Stage:
    """The gateway between its clients and two backends."""

    run: Running
    phoenix: Phoenix
    prometheus: Prometheus

    async def ask(self, model: str, **how: Any) -> Told:
        """Send a streamed request with a caller's span. With `leave`, the client leaves in mid-stream."""
        trace_id, caller = secrets.token_hex(16), secrets.token_hex(8)
        parent, before = f"00-{trace_id}-{caller}-01", len(self.run.records)
        if how.get("leave"):
            async with client(self.run.port) as leaving:
                await leaving.send(chat(model, f"traceparent: {parent}"))
                await leaving.until(b'"content":"')
        else:
            async with plain(self.run.url) as http:
                await http.post(CHAT, json=ask(model, stream=True), headers={"traceparent": parent})
        return Told(await self.run.recorded(before + 1), trace_id, caller)

    async def read(self, told: Told, count: int = 3) -> dict[str, dict[str, Any]]:
        """Return the request's spans in Phoenix by the first word of their names, with the last attempt only."""
        spans = await self.phoenix.spans(told.trace_id, count)
        assert len(spans) == count
        return {span["name"].split()[0]: span for span in sorted(spans, key=lambda span: str(span["start_time"]))}


@pytest.fixture(scope="module")
async def stage(anyio_backend: object, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    litellm.warm(("openai", "anthropic", "gemini"))
    folder = tmp_path_factory.mktemp("backends")
    async with phoenix(folder, PROJECT) as traces:
        config = CONFIG.replace("PHOENIX", traces.url).replace("PROJECT", PROJECT)
        async with running(config) as run, prometheus(folder, f"127.0.0.1:{run.port}") as metrics:
            for model in ("gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"):
                run.sim.answers[model] = Answer(TEXT, pace=0.01)
            yield Stage(run, traces, metrics)


async def exported(stage: Stage) -> None:
    await asyncio.to_thread(stage.run.gateway.telemetry.flush)


def check_chain(told: Told, spans: dict[str, dict[str, Any]]) -> None:
    server, chat_span, attempt = spans["POST"], spans["chat"], spans["attempt"]
    assert server["parent_id"] == told.caller
    assert chat_span["parent_id"] == server["context"]["span_id"]
    assert attempt["parent_id"] == chat_span["context"]["span_id"]
    assert [name for name, span in spans.items() if span["span_kind"] == "LLM"] == ["chat"]
    assert not [name for name in ("POST", "attempt") if any("gen_ai" in key for key in spans[name]["attributes"])]


@pytest.mark.parametrize(
    ("model", "provider", "target"),
    [
        ("gpt", "openai", "gpt-4o-mini"),
        ("claude", "anthropic", "claude-sonnet-4-5"),
        ("gemini", "gcp.gemini", "gemini-2.5-flash"),
    ],
)
async def test_a_stream_of_each_provider(stage: Stage, model: str, provider: str, target: str) -> None:
    told = await stage.ask(model)
    await exported(stage)
    spans = await stage.read(told)
    check_chain(told, spans)
    found = spans["chat"]["attributes"]
    usage = told.record.usage
    assert usage is not None and usage.completion > 20
    assert (found[names.PROVIDER], found[names.REQUEST_MODEL]) == (provider, target)
    assert (found["llm.token_count.prompt"], found["llm.token_count.completion"]) == (usage.prompt, usage.completion)
    [event] = spans["chat"]["events"]
    assert (event["name"], event["attributes"][names.POLICY_COUNT]) == (names.POLICY_EVENT, 4)


async def test_a_client_that_leaves(stage: Stage) -> None:
    told = await stage.ask("gpt", leave=True)
    await exported(stage)
    spans = await stage.read(told)
    check_chain(told, spans)
    assert spans["chat"]["attributes"][names.OUTCOME] == "client_cancelled"
    assert {span["status_code"] for span in spans.values()} <= {"UNSET", "OK"}


@pytest.mark.parametrize(("model", "by"), [("capped", "token_cap/short"), ("blocked", "redact/block")])
async def test_a_policy_that_stops(stage: Stage, model: str, by: str) -> None:
    if model == "blocked":
        stage.run.sim.answers["gpt-4o-mini"] = Answer("This is a forbidden word. " * 9, pace=0.01)
    told = await stage.ask(model)
    stage.run.sim.answers["gpt-4o-mini"] = Answer(TEXT, pace=0.01)
    await exported(stage)
    spans = await stage.read(told)
    check_chain(told, spans)
    found = spans["chat"]["attributes"]
    assert (found[names.OUTCOME], found[names.STOPPED_BY]) == ("policy_stopped", by)
    assert found[names.USAGE_SOURCE] == "estimated"


async def test_a_provider_that_dies(stage: Stage) -> None:
    stage.run.sim.answers["gpt-4o-mini"] = Answer(TEXT, fault=InjectedFault("drop", after=5))
    told = await stage.ask("gpt")
    stage.run.sim.answers["gpt-4o-mini"] = Answer(TEXT, pace=0.01)
    await exported(stage)
    spans = await stage.read(told)
    check_chain(told, spans)
    assert {span["status_code"] for span in spans.values()} == {"ERROR"}


async def test_a_fallback(stage: Stage) -> None:
    told = await stage.ask("failing")
    await exported(stage)
    attempts = len(told.record.tries)
    assert attempts >= 2 and told.record.tries[-1].reason == "fallback"
    spans = await stage.read(told, 2 + attempts)
    check_chain(told, spans)
    assert spans["chat"]["attributes"][names.PROVIDER] == "gcp.gemini"
    assert spans["chat"]["name"] == "chat gemini-2.5-flash"


async def test_phoenix_counts_tokens_once_and_knows_the_cost(stage: Stage) -> None:
    await stage.ask("gpt")
    await exported(stage)
    records = stage.run.records
    total = sum(record.usage.prompt + record.usage.completion for record in records if record.usage)
    query = "{ projects { edges { node { name traceCount tokenCountTotal costSummary { total { cost tokens } } } } } }"

    def ours(data: Any) -> Any:
        return next((e["node"] for e in data["projects"]["edges"] if e["node"]["name"] == PROJECT), None)

    def complete(data: Any) -> bool:
        found = ours(data)
        return bool(found and found["traceCount"] == len(records) and (found["costSummary"]["total"]["cost"] or 0) > 0)

    found = ours(await stage.phoenix.ask(query, complete))
    assert found["tokenCountTotal"] == total
    cost = sum(record.bill.cost.total for record in records if record.bill and record.bill.cost)
    assert found["costSummary"]["total"]["cost"] == pytest.approx(cost, rel=0.5)


async def test_prometheus_gives_the_right_numbers(stage: Stage) -> None:
    await stage.ask("gpt")
    records = stage.run.records
    count = len(records)
    assert await stage.prometheus.value("sum(sluice_streams_finished_total)", count) == count
    acted = sum(note.count for record in records for note in record.notes)
    assert await stage.prometheus.value("sum(sluice_policy_actions_total)", acted) == acted
    buckets = "sluice_client_time_to_first_chunk_seconds_bucket"
    p95 = await stage.prometheus.value(f"histogram_quantile(0.95, sum by (le) ({buckets}))")
    first = sorted(record.first_event for record in records if record.first_event is not None)
    exact = first[min(int(len(first) * 0.95), len(first) - 1)]
    assert exact / 2 <= p95 <= exact * 2  # a bucket is twice the one before
    labels = await stage.prometheus.labels()
    chosen = {record.id for record in records} | {record.trace_id for record in records}
    assert not labels & chosen and not [label for label in labels if "@" in label]


async def test_every_query_of_the_dashboard_and_the_alerts_is_understood(stage: Stage) -> None:
    dashboard = json.loads((ROOT / "deploy/grafana/sluice.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) > 20
    for query in queries:
        await stage.prometheus.ask(query.replace("$__rate_interval", "1m").replace("$job", ".*"))
    known = await stage.prometheus.labels()
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    named = {name for text in (*queries, rules) for name in _METRIC.findall(text)}
    late = {"sluice_telemetry_spans_total", "sluice_cost_usd_total"}
    late.add("sluice_log_lines_dropped_total")  # only a gateway that writes its own lines has it
    assert named - late <= known, named - known
