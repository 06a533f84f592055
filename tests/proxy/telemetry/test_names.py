"""The emitted names are pinned, because a change breaks users' dashboards."""

from proxy.telemetry import names

EMITTED = """
client.address error.type error.message http.request.method http.response.status_code http.route server.address
server.port url.path url.scheme user_agent.original

gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.request.stream gen_ai.request.temperature
gen_ai.request.top_p gen_ai.request.top_k gen_ai.request.max_tokens gen_ai.request.frequency_penalty
gen_ai.request.presence_penalty gen_ai.request.seed gen_ai.request.choice.count gen_ai.response.id
gen_ai.response.model gen_ai.response.finish_reasons gen_ai.response.time_to_first_chunk gen_ai.usage.input_tokens
gen_ai.usage.output_tokens gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_write.input_tokens
gen_ai.usage.cache_creation.input_tokens gen_ai.usage.reasoning.output_tokens gen_ai.input.messages
gen_ai.output.messages gen_ai.token.type

sluice.request.id sluice.model.alias sluice.key.name sluice.stream.outcome sluice.response.finish_reasons
sluice.delivered.time_to_first_chunk sluice.caller.trace_id sluice.stream.chunks sluice.stream.bytes
sluice.stream.max_gap_s sluice.stream.held_back_ms sluice.stream.stopped_by sluice.attempt.count
sluice.usage.source sluice.cost.usd sluice.tokenizer sluice.attempt.number sluice.attempt.provider
sluice.attempt.api sluice.attempt.model sluice.attempt.reason sluice.attempt.chosen
sluice.attempt.time_to_first_token sluice.policy sluice.policy.rest sluice.policy.id sluice.policy.version
sluice.policy.rule sluice.policy.action sluice.policy.channel sluice.policy.choice sluice.policy.count
sluice.policy.first_offset sluice.policy.rules sluice.provider sluice.result

openinference.span.kind llm.token_count.completion_details.reasoning langfuse.observation.completion_start_time
gen_ai.usage.cost gen_ai.server.ttft

http.server.request.duration http.server.active_requests gen_ai.client.operation.duration
gen_ai.client.operation.time_to_first_chunk gen_ai.client.token.usage sluice.client.time_to_first_chunk
sluice.stream.hold.duration sluice.request.preparation.duration sluice.stream.chunk.gap.max sluice.streams.active
sluice.streams.finished sluice.attempts sluice.attempt.duration sluice.policy.actions sluice.cost
sluice.config.loads sluice.config.refusals sluice.config.refused sluice.bodies.memory
sluice.connections.active sluice.connections.closed sluice.connections.refused
sluice.event_loop.lag sluice.log.lines.dropped sluice.telemetry.spans sluice.telemetry.metric_pushes

_OTHER
"""


def test_the_names_are_these() -> None:
    ours = [value for name, value in vars(names).items() if name.isupper()]
    assert set(ours) == set(EMITTED.split())
