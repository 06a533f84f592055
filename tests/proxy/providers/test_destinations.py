"""LiteLLM's own calls go to the configured host, whatever else the client's body names."""

import asyncio

import aiohttp
import pytest
import yarl

from proxy.errors import UpstreamError
from proxy.providers.base import Call
from proxy.providers.engine import LiteLLMEngine
from proxy.providers.mapping.arguments import arguments
from proxy.providers.outbound import HttpRequest
from proxy.providers.sending import Sender
from tests.proxy.providers.calls import BASE_URLS, KEY, call

pytestmark = pytest.mark.usefixtures("litellm_warm")
STEERING = {"base_url": "http://evil.example/v1", "api_base": "http://evil.example/v1", "mock_response": "stolen"}

DROPPING = {"drop_params": True, "engine": "litellm"}
"""Without it the call is rejected by name before it gets so far."""


class Listing(Sender):
    """Sends nothing, and records the request."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[HttpRequest] = []

    async def send(self, call: Call, request: HttpRequest) -> aiohttp.ClientResponse:
        self.requests.append(request)
        raise UpstreamError("not sent")


@pytest.mark.parametrize("api", ["openai", "anthropic", "gemini"])
def test_a_body_cannot_steer_a_call_to_another_host(api: str) -> None:
    sender = Listing()

    async def run() -> None:
        engine = LiteLLMEngine(sender)
        with pytest.raises(UpstreamError, match="not sent"):
            await engine.open(call(api, STEERING, settings=DROPPING))
        await engine.aclose()

    asyncio.run(run())
    [request] = sender.requests
    assert yarl.URL(request.url).origin() == yarl.URL(BASE_URLS[api]).origin()
    assert any(KEY in value for value in request.headers.values())


def test_what_would_steer_it_is_not_among_the_arguments() -> None:
    named = arguments(call("openai", STEERING, settings=DROPPING))
    assert "evil" not in repr(named) and "mock_response" not in named
