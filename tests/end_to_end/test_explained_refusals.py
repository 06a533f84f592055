"""A provider's explanation of its refusal reaches the client whole and redacted.

If the provider cut the answer, the text that a rule holds is dropped.
"""

from typing import Any

import pytest

from proxy.formats.jsontext import loads
from tests.end_to_end.clients import CHAT, plain
from tests.end_to_end.provider import provider
from tests.end_to_end.reported.case import Case, claude, event, gemini, said
from tests.end_to_end.reported.test_reported import CONFIG, answer
from tests.end_to_end.running import running

pytestmark = pytest.mark.anyio

POLICIES = """
default_policies: [redact/tickets]
policies:
  redact/tickets: {{rules: [{{name: ticket, regex: 'PRJ-[0-9]{{4}}', replace: "[TICKET]"}}]}}
"""
WHY = "Declined: PRJ-1234 could enable harm. See PRJ"
"""It names a ticket, and ends with the possible start of another."""

SHOWN = "Declined: [TICKET] could enable harm. See PRJ"

_REFUSED = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber", "explanation": WHY}}
REFUSALS = {
    "anthropic": claude(*said("Take PRJ"), {"type": "message_delta", "delta": _REFUSED, "usage": {"output_tokens": 2}}),
    "gemini": event(
        {
            "candidates": [
                {
                    "index": 0,
                    "content": {"role": "model", "parts": [{"text": "Take PRJ"}]},
                    "finishReason": "SAFETY",
                    "finishMessage": WHY,
                }
            ]
        }
    ),
}


async def asked(api: str, body: bytes, stream: bool) -> dict[str, Any]:
    """Return the members of the client's message, and its finish reason."""
    async with provider(answer(Case("", "", body, api=api))) as serving:
        config = CONFIG.replace("{url}", serving.url) + POLICIES
        async with running(config) as run, plain(run.url) as client:
            request = {"model": api, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
            response = await client.post(CHAT, json=request)
    got: dict[str, Any] = {"content": "", "refusal": "", "finish": None}
    lines = response.text.split("\n") if stream else [f"data: {response.text}"]
    for choice in (c for line in lines if line.startswith("data: {") for c in loads(line[6:].encode())["choices"]):
        part = choice.get("delta") or choice.get("message") or {}
        got["content"] += part.get("content") or ""
        got["refusal"] += part.get("refusal") or ""
        got["finish"] = choice["finish_reason"] or got["finish"]
    return got


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("api", REFUSALS)
async def test_an_explanation_comes_whole_and_redacted_behind_a_cut_answer(api: str, stream: bool) -> None:
    assert await asked(api, REFUSALS[api], stream) == {
        "content": "Take ",
        "refusal": SHOWN,
        "finish": "content_filter",
    }


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_gemini_explains_why_it_refuses_a_prompt(stream: bool) -> None:
    body = event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": WHY}})
    assert await asked("gemini", body, stream) == {"content": "", "refusal": SHOWN, "finish": "content_filter"}


async def test_a_message_beside_a_natural_end_is_no_refusal() -> None:
    body = gemini({"text": "Once upon"}, reason=None) + event(
        {"candidates": [{"index": 0, "finishReason": "STOP", "finishMessage": WHY}]}
    )
    assert await asked("gemini", body, True) == {"content": "Once upon", "refusal": "", "finish": "stop"}
