"""The native upstream, and the simulator for it."""

from collections.abc import AsyncIterator

import pytest

from proxy.providers import litellm
from proxy.providers.native import NativeUpstream
from proxy.providers.sending import Sender
from proxy.simulator import Simulator


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NativeUpstream]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    opened = NativeUpstream(Sender())
    yield opened
    await opened.aclose()


@pytest.fixture
async def sim(anyio_backend: object) -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def litellm_warm() -> None:
    """Warm LiteLLM up, because its first call takes seconds."""
    litellm.warm(["litellm", "anthropic", "gemini"])
