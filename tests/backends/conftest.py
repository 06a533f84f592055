"""Tests against real backends, collected only if `scripts/observability` has installed them."""

import os

import pytest

collect_ignore_glob = [] if "SLUICE_PHOENIX" in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}
