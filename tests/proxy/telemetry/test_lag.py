"""The event loop's lag is seen."""

import asyncio
import time

import pytest

from proxy.telemetry import lag

pytestmark = pytest.mark.anyio


async def test_a_loop_that_is_blocked_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "EVERY", 0.01)
    measured = lag.LoopLag()
    measured.start()
    await asyncio.sleep(0.05)
    time.sleep(0.15)
    await asyncio.sleep(0.05)
    measured.close()
    [(_, point)] = measured.histogram.series()
    assert point.most >= 0.1 and point.count >= 3
    await asyncio.sleep(0.05)
    assert [(_, point)] == list(measured.histogram.series())  # closed: it counts no more
