"""Settings of telemetry on a real gateway: messages on spans, context for providers, a backend that is down."""

import json
import time

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.simulator import Answer
from proxy.telemetry import names
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, running
from tests.end_to_end.spans import spans_of, tree
from tests.proxy.telemetry.collector import collecting

pytestmark = pytest.mark.anyio

MAIL = "jane.doe@example.com"
REDACTED = """
  answers: {{target: openai/sim-x, policies: [redact/answers]}}
  both: {{target: openai/sim-x, policies: [redact/both]}}
policies:
  redact/answers: {{rules: [{{name: email, entity: email, replace: "[EMAIL]"}}]}}
  redact/both: {{direction: both, rules: [{{name: email, entity: email, replace: "[EMAIL]"}}]}}
telemetry: {{content: redacted}}
"""


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("model", ["answers", "both"])
async def test_captured_messages_are_what_went_through_the_policies(
    anyio_backend: object, model: str, stream: bool
) -> None:
    kept = InMemorySpanExporter()
    async with running(CONFIG + REDACTED, exporters=[kept]) as run, plain(run.url) as http:
        run.sim.answers["sim-x"] = Answer(f"Write to {MAIL}, please.")
        await http.post(CHAT, json=ask(model, f"I am {MAIL}.", stream=stream))
        found = tree(await spans_of(run, kept))
    assert MAIL not in "".join(span.to_json() for span in found.all)
    [answer] = json.loads(found.answered[names.OUTPUT_MESSAGES])
    assert answer["parts"] == [{"type": "text", "content": "Write to [EMAIL], please."}]
    assert answer["finish_reason"] == "stop"
    if model == "both":
        [prompt] = json.loads(found.answered[names.INPUT_MESSAGES])
        assert prompt["parts"][0]["content"] == "I am [EMAIL]."
    else:
        assert names.INPUT_MESSAGES not in found.answered


async def test_a_provider_that_is_not_to_see_the_context_does_not(anyio_backend: object) -> None:
    config = CONFIG.replace('base_url: "{url}/v1"', 'base_url: "{url}/v1", trace_context: false')
    async with running(config, exporters=[InMemorySpanExporter()]) as run, plain(run.url) as http:
        headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
        await http.post(CHAT, json=ask("openai-sim-chat"), headers=headers)
        call = await run.sim.next_call()
    assert not {"traceparent", "tracestate"} & call.headers.keys()


async def test_context_reaches_a_provider_through_litellm(anyio_backend: object, litellm_used: None) -> None:
    kept, routed = InMemorySpanExporter(), '  "litellm-*": {{target: "openai/*", engine: litellm}}\n'
    async with running(CONFIG + routed, exporters=[kept]) as run, plain(run.url) as http:
        await http.post(CHAT, json=ask("litellm-sim-chat", stream=True))
        call = await run.sim.next_call()
        found = tree(await spans_of(run, kept))
    assert call.headers["traceparent"].split("-")[1] == f"{found.server.context.trace_id:032x}"
    assert call.headers["traceparent"].split("-")[2] == f"{found.attempts[0].context.span_id:016x}"


async def test_a_backend_that_hangs_is_not_noticed_by_clients_and_does_not_keep_the_process(
    anyio_backend: object,
) -> None:
    with collecting() as collector:
        collector.open.clear()
        to = f'telemetry: {{{{otlp: {{{{endpoint: "{collector.url}", timeout: 8}}}}, metrics: [otlp, prometheus]}}}}'
        async with running(CONFIG + to) as run, plain(run.url) as http:
            for _ in range(20):
                assert (await http.post(CHAT, json=ask("openai-sim-chat"))).status_code == 200
            began = time.monotonic()
        assert time.monotonic() - began < 7  # its deadline is 3 s; the backend would take 16
