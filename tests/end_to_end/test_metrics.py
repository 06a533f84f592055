"""`/metrics` of a real gateway: who may read it, that its figures are right, and that its labels are closed sets."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.simulator import Answer
from proxy.telemetry import names
from proxy.telemetry.prometheus import prometheus_name
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.test_usage_on_every_exit import TEXT, cancel, cap, death, disconnect, finish

pytestmark = pytest.mark.anyio

EXTRA = """
  "capped-openai-*": {{target: "openai/*", policies: [token_cap/t]}}
  mailed: {{target: openai/sim-mail, policies: [redact/pii]}}
policies: {{token_cap/t: {{max_chunks: 9}}, redact/pii: {{rules: [{{name: email, entity: email}}]}}}}
prices: {{"sim-*": {{input: 10, output: 100}}}}
timeouts: {{first_token: 1, idle: 1}}
"""
KEYS = """
auth: {{keys: [{{name: ops, key: ops-key-0123456789, admin: true}}, {{name: team, key: team-key-0123456789}}]}}
"""
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


@pytest.fixture
async def run(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + EXTRA) as run:
        yield run


async def samples(run: Running) -> Samples:
    """Each sample by its name and those of its labels that are not empty."""
    async with plain(run.url) as http:
        text = (await http.get("/metrics")).text
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            key = tuple(sorted((label, said) for label, said in labels.items() if said))
            found.setdefault(name, {})[key] = value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    wanted = set(labels.items())
    return sum(value for key, value in found.get(name, {}).items() if wanted <= set(key))


async def test_every_way_to_end_is_counted(run: Running) -> None:
    for count, (leave, stream) in enumerate(
        [(finish, True), (finish, False), (cap, True), (cancel, True), (disconnect, True), (death, True)], start=1
    ):
        run.sim.forget()
        await leave(run, "openai", stream)
        await run.recorded(count)
    found = await samples(run)
    for outcome, count in {"completed": 2, "policy_stopped": 1, "client_cancelled": 2, "upstream_error": 1}.items():
        assert value(found, "sluice_streams_finished_total", sluice_stream_outcome=outcome) == count
    assert value(found, "sluice_streams_finished_total", error_type="upstream_died") == 1
    assert value(found, "http_server_request_duration_seconds_count") == 6
    assert value(found, "http_server_active_requests") == value(found, "sluice_streams_active") == 0
    assert value(found, "sluice_attempts_total", sluice_attempt_reason="initial") >= 6
    bills = [record.bill for record in run.records if record.bill and record.bill.cost]
    assert value(found, "sluice_cost_usd_total") == pytest.approx(sum(b.cost.total for b in bills if b.cost))
    tokens = "gen_ai_client_token_usage_sum"
    assert value(found, tokens, gen_ai_token_type="output") == sum(b.usage.completion for b in bills)
    assert value(found, "gen_ai_client_operation_time_to_first_chunk_seconds_count") == 5
    assert value(found, "sluice_client_time_to_first_chunk_seconds_count") >= 3


async def test_policies_are_counted_by_their_rules(run: Running) -> None:
    run.sim.answers["sim-mail"] = Answer("a@example.com, b@example.com. " + TEXT)
    async with plain(run.url) as http:
        await http.post(CHAT, json=ask("mailed", stream=True))
    await run.recorded()
    found = await samples(run)
    labels = {"sluice_policy_id": "redact/pii", "sluice_policy_rule": "email", "sluice_policy_action": "redact"}
    assert value(found, "sluice_policy_actions_total", **labels) == 2
    assert value(found, "sluice_stream_hold_duration_seconds_count", sluice_model_alias="mailed") == 1


async def test_no_label_is_chosen_by_a_client(run: Running) -> None:
    async with plain(run.url) as http:
        for number in range(5):
            await http.post(CHAT, json=ask(f"openai-sim-chat.pace-{number}", user="zebra"))
            await http.post(CHAT, json=ask(f"nobody-zebra-{number}"))
            await http.post(f"{CHAT}/zebra-{number}/cancel")
    await run.recorded(10)
    found = await samples(run)
    said = {said for series in found.values() for key in series for _, said in key}
    assert not [label for label in said if "zebra" in label or "pace" in label]
    aliases = {dict(key)["sluice_model_alias"] for key in found["sluice_streams_finished_total"]}
    assert aliases == {"openai-*", names.OTHER}


async def test_there_is_every_metric_that_there_is_a_name_for(run: Running) -> None:
    await finish(run, "openai", True)
    await run.recorded()
    async with plain(run.url) as http:
        text = (await http.get("/metrics")).text
    units = {names.M_COST: "USD", names.M_TOKENS: "", names.M_HTTP_ACTIVE: "", names.M_STREAMS: ""}
    units |= dict.fromkeys([names.M_FINISHED, names.M_ATTEMPTS, names.M_POLICY, names.M_SPANS, names.M_PUSHES], "")
    units |= dict.fromkeys([names.M_CONFIG_LOADS, names.M_CONFIG_REFUSALS, names.M_CONFIG_REFUSED], "")
    units |= dict.fromkeys([names.M_CONNECTIONS, names.M_CONNECTIONS_CLOSED, names.M_CONNECTIONS_REFUSED], "")
    units |= {names.M_BODIES: "By"}
    metrics = {name: getattr(names, name) for name in vars(names) if name.startswith("M_")}
    for name in metrics.values():
        if name not in (names.M_PUSHES, names.M_LOG_DROPPED):  # where metrics are pushed, and where lines are written
            assert f"# TYPE {prometheus_name(name, units.get(name, 's'))}" in text


async def test_with_keys_only_an_admin_reads_them(anyio_backend: object) -> None:
    async with running(CONFIG + KEYS) as run, plain(run.url) as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"x-api-key": "team-key-0123456789"})).status_code == 403
        shown = await http.get("/metrics", headers={"authorization": "Bearer ops-key-0123456789"})
    assert shown.status_code == 200 and "sluice_streams_active" in shown.text


async def test_where_they_are_off_there_is_no_such_route(anyio_backend: object) -> None:
    async with running(CONFIG + "telemetry: {{metrics: none}}") as run, plain(run.url) as http:
        assert (await http.get("/metrics")).status_code == 404
