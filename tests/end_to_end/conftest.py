"""uvloop, as in production, and one gateway for the tests of a module that need no configuration of their own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from proxy.providers import litellm
from tests.end_to_end.clients import plain
from tests.end_to_end.leaving import MATRIX_CONFIG
from tests.end_to_end.running import PROVIDERS, Running, fresh, running
from tests.end_to_end.wire import chat, client


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Warm LiteLLM up, as `serve` does before it listens. Its first work takes seconds."""
    litellm.warm(PROVIDERS)


@pytest.fixture(scope="session")
async def litellm_used(anyio_backend: object) -> None:
    """Warm up calls through LiteLLM, because its first call takes long."""
    litellm.warm(["litellm"])
    async with running(MATRIX_CONFIG) as run, client(run.port) as first:
        await first.send(chat("litellm-sim-chat.after-3-stall"))
        await first.until(b'"content":"', seconds=20)


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running() as run:
        yield run


@pytest.fixture
async def run(shared: Running) -> AsyncIterator[Running]:
    async with fresh(shared) as run:
        yield run


@pytest.fixture
async def http(run: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with plain(run.url) as client:
        yield client
