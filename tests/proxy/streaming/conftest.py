"""Fixtures of the tests of one request's run."""

import pytest

from tests.proxy.streaming.driving import Client, Provider


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=[(False, False), (True, False), (True, True)], ids=["read", "refused", "taken"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways of a batch: read; folded as it arrives, and taken by the client at once or not."""
    provider, client = request.param
    monkeypatch.setattr(Provider, "at_once", provider)
    monkeypatch.setattr(Client, "at_once", client)
