"""An attempt closes what it opened, whenever it is left."""

import asyncio
import contextlib

import pytest

from proxy.errors import UpstreamError
from proxy.providers.base import Answer, Call
from proxy.streaming.attempt import Attempt
from tests.end_to_end.wire import until
from tests.proxy.providers.calls import call
from tests.proxy.streaming.driving import Provider, never

pytestmark = pytest.mark.anyio


async def test_an_answer_is_closed_when_the_block_is_left() -> None:
    provider = Provider([])
    async with Attempt(provider, call("openai")) as attempt:
        assert await attempt.answer() is provider
        before = provider.closed
    assert (before, provider.closed) == (0, 1)


async def test_an_answer_is_closed_when_the_block_fails() -> None:
    provider = Provider([])
    with pytest.raises(ZeroDivisionError):
        async with Attempt(provider, call("openai")) as attempt:
            await attempt.answer()
            raise ZeroDivisionError
    assert provider.closed == 1


async def test_an_answer_that_nobody_waited_for_is_closed() -> None:
    provider = Provider([])
    async with Attempt(provider, call("openai")):
        await until(lambda: provider.opened)
    assert provider.closed == 1


async def test_an_opening_is_cancelled_when_the_block_is_left() -> None:
    provider = Provider([], opening=never())
    async with Attempt(provider, call("openai")):
        await until(lambda: provider.opened)
    await until(lambda: provider.closed == 1)


async def test_an_opening_that_did_not_begin_never_does() -> None:
    provider = Provider([])
    async with Attempt(provider, call("openai")):
        pass
    await asyncio.sleep(0)
    assert not provider.opened


async def test_a_failed_opening_is_told_and_needs_no_closing() -> None:
    provider = Provider([], opening=UpstreamError("No."))
    with pytest.raises(UpstreamError, match="No"):
        async with Attempt(provider, call("openai")) as attempt:
            await attempt.answer()
    assert not provider.closed


async def test_a_wait_that_is_cancelled_leaves_the_opening_alone() -> None:
    gate = asyncio.Event()
    provider = Provider([], opening=gate)
    async with Attempt(provider, call("openai")) as attempt:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await attempt.answer()
        gate.set()
        assert await attempt.answer() is provider
    assert (provider.opened, provider.closed) == (1, 1)


async def test_an_answer_that_comes_although_its_opening_was_cancelled_is_closed() -> None:
    class Stubborn(Provider):
        async def open(self, call: Call) -> Answer:
            self.opened += 1
            with contextlib.suppress(asyncio.CancelledError):  # the answer came in the same moment
                await asyncio.sleep(60)
            return self

    provider = Stubborn([])
    async with Attempt(provider, call("openai")):
        await until(lambda: provider.opened)
    await until(lambda: provider.closed == 1)
