"""Calls through LiteLLM that go to a provider on a loopback socket."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest

from policies.events import End, Event, Text
from proxy.errors import GatewayError
from proxy.formats.base import DecodeError
from proxy.providers.base import Answer, Call
from proxy.providers.engine import LiteLLMEngine
from proxy.providers.sending import Sender
from tests.proxy.providers.calls import call
from tests.proxy.providers.provider import BASES, Provider, running

Test = Callable[[LiteLLMEngine, Provider], Awaitable[None]]


def against(provider: Callable[[], Provider], test: Test) -> None:
    """Run `test` with an engine and a provider, and see that nothing of ours is left running."""

    async def run() -> None:
        sender = Sender()
        engine = LiteLLMEngine(sender)
        async with running(provider()) as served:
            try:
                await asyncio.wait_for(test(engine, served), 20)
            finally:
                await engine.aclose()
                await sender.aclose()

    asyncio.run(run())


def to(api: str, served: Provider, body: dict[str, Any] | None = None, **changes: Any) -> Call:
    """A call of `served` in one of the three formats, or as one of LiteLLM's own providers."""
    changes.setdefault("model", "m")
    if api not in BASES:
        options = {"api_base": f"{served.url}/v1", **changes.pop("options", {})}
        place: dict[str, Any] = {"base_url": None, "options": options}
        return call("litellm", body, **{"name": api, **changes, "provider": {**place, **changes.get("provider", {})}})
    base = {"base_url": served.url + BASES[api]}
    return call(api, body, **{**changes, "provider": {**base, **changes.get("provider", {})}})


async def everything(answer: Answer) -> list[Event | DecodeError]:
    """All events of an answer, which is then closed."""
    events: list[Event | DecodeError] = []
    try:
        while not events or not isinstance(events[-1], End | DecodeError):
            events += await answer.read()
    finally:
        await answer.aclose()
    return events


def text_of(events: Sequence[Event | DecodeError]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text) and event.channel == "content")


async def failing(opening: Coroutine[Any, Any, Answer]) -> GatewayError:
    """The error of a call that must not get an answer."""
    with pytest.raises(GatewayError) as caught:
        await opening
    return caught.value
