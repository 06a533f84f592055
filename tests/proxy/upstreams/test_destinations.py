"""Where LiteLLM's own calls go: to the configured host, whatever else the client's body names."""

import asyncio

import pytest
import respx
from httpx import Response

from policies.events import End, Text
from proxy.upstreams.arguments import arguments
from proxy.upstreams.engine import LiteLLMEngine
from tests.proxy.upstreams.calls import BASE_URLS, call

CHUNK = 'data: {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [%s]}\n\n'
STREAM = (
    CHUNK % '{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": null}'
    + CHUNK % '{"index": 0, "delta": {}, "finish_reason": "stop"}'
    + "data: [DONE]\n\n"
)
STEERING = {"base_url": "http://evil.example/v1", "api_base": "http://evil.example/v1", "mock_response": "stolen"}

DROPPING = {"drop_params": True, "engine": "litellm"}
"""Without it the call is refused by name before it gets so far."""


@pytest.mark.filterwarnings("ignore")
def test_a_body_cannot_steer_a_call_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLE_AIOHTTP_TRANSPORT", "True")  # respx sees httpx alone

    async def run() -> list[object]:
        engine = LiteLLMEngine()
        answer = await engine.open(call("openai", STEERING, settings=DROPPING))
        events: list[object] = []
        while not (events and isinstance(events[-1], End)):
            events += await answer.read()
        await answer.aclose()
        await engine.aclose()
        return events

    with respx.mock(assert_all_called=False) as wire:
        ours = wire.post(f"{BASE_URLS['openai']}/chat/completions").mock(
            return_value=Response(200, text=STREAM, headers={"content-type": "text/event-stream"})
        )
        events = asyncio.run(run())
        assert [event.text for event in events if isinstance(event, Text)] == ["hi"]
        assert ours.call_count == len(wire.calls) == 1


def test_what_would_steer_it_is_not_among_the_arguments() -> None:
    named = arguments(call("openai", STEERING, settings=DROPPING))
    assert "evil" not in repr(named) and "mock_response" not in named
