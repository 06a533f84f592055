"""Client and operator see the reason of a provider's error, without keys and without redacted text."""

import logging
from typing import Any

import pytest

from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.provider import json_answer, provider, stream_answer
from tests.end_to_end.running import CONFIG, running

pytestmark = pytest.mark.anyio

EMAIL = "jane.doe@example.com"
REFUSAL = {"error": {"message": f"Invalid value for {EMAIL} with key provider-key-openai", "code": "bad_value"}}
GUARD = """
default_policies: [redact/pii]
policies:
  redact/pii: {{rules: [{{name: email, entity: email, replace: "[EMAIL]"}}]}}
"""


async def refused(answer: bytes, extra: str, **asked: Any) -> dict[str, Any]:
    """Return the client's error for a provider that sends `answer`."""
    async with provider(answer) as serving, running(at(serving.url), extra) as run, plain(run.url) as client:
        response = await client.post(CHAT, json=ask("openai-x", **asked))
        await run.recorded()
    error: dict[str, Any] = response.json()["error"]
    return error


def at(url: str, models: str = "") -> str:
    """The configuration with the provider `openai` at `url`."""
    elsewhere = CONFIG.replace('base_url: "{url}/v1"', f'base_url: "{url}/v1"')
    return elsewhere.replace("models:", f"models:\n{models}")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_reason_about_the_request_reaches_the_client_through_its_policies(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "sluice")
    answer = json_answer(REFUSAL, 400)
    error = await refused(answer, GUARD, stream=stream)
    assert (error["message"], error["code"]) == ("Invalid value for [EMAIL] with key [redacted]", "bad_value")
    assert EMAIL in (await refused(answer, "", stream=stream))["message"]
    first = next(record.getMessage() for record in caplog.records if record.name == "sluice")
    assert "400 bad_value Invalid value for [EMAIL]" in first


async def test_an_error_in_the_answer_passes_the_policies_too() -> None:
    event = {"error": {"message": f"Cannot take {EMAIL}", "type": "invalid_request_error", "code": 400}}
    error = await refused(stream_answer([event]), GUARD, stream=True)
    assert error["message"] == "Cannot take [EMAIL]"


async def test_a_message_that_the_policies_stop_is_replaced() -> None:
    rules = "redact/pii: {{rules: [{{name: email, entity: email, action: block}}]}}"
    error = await refused(json_answer(REFUSAL, 400), f"default_policies: [redact/pii]\npolicies:\n  {rules}\n")
    assert error["message"] == "The provider refused the request; check its parameters."


async def test_the_operator_reads_where_why_and_what_comes_next(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sluice")
    refusal = {"error": {"message": f"Bad gateway of {EMAIL}", "code": "oops"}}
    safe = "  safe: {{target: openai/x, fallbacks: [anthropic-sim-chat]}}"
    async with (
        provider(json_answer(refusal, 502)) as serving,
        running(at(serving.url, safe), GUARD) as run,
        plain(run.url) as client,
    ):
        assert (await client.post(CHAT, json=ask("safe"))).status_code == 200
    (line,) = [record.getMessage() for record in caplog.records if record.name == "sluice"]
    host = serving.url.removeprefix("http://")
    assert f"attempt 1 at openai/x ({host}) failed (upstream_error): 502 oops Bad gateway of [EMAIL]" in line
    assert line.endswith("Next: fallback at anthropic/sim-chat.")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain"])
async def test_an_error_in_json_is_read_whatever_its_content_type(kind: str, stream: bool) -> None:
    said = {"error": {"message": "the quota is used up", "type": "insufficient_quota", "code": "insufficient_quota"}}
    answer = json_answer(said).replace(b"application/json", kind.encode())
    assert (await refused(answer, "", stream=stream))["message"] == "the quota is used up"
