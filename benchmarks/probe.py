"""`python -m benchmarks.probe GATEWAY DIRECT SECONDS`: measure an undisturbed client's time to the first token.

It is a process of its own, so that the busy load generator does not affect the time. It asks the gateway and the
provider behind it in turn, so that delays of the machine itself are visible. The last line is JSON: `gateway` and
`direct` are sorted milliseconds, and `failed` counts failed requests.
"""

import asyncio
import json
import sys
import time

from benchmarks.load import Ask, load, run

SETTLING = 3.0
"""Seconds until the first request. All streams of the load begin in the first seconds."""

STREAMS = 4
PAUSE = 0.1
"""Seconds between two requests of one client."""

MAX_LENGTH = 40.0
"""Seconds after which a request counts as failed."""

MODEL = "sim-long.pace-5.chunk-4.tokens-5"
KEY = "soak-probes-key"


def _ask(url: str, model: str) -> Ask:
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    return Ask(url, "/v1/chat/completions", {"authorization": f"Bearer {KEY}"}, body)


async def probe(gateway: str, direct: str, seconds: float) -> dict[str, object]:
    """Measure for `seconds`."""
    times: dict[str, list[float]] = {"gateway": [], "direct": []}
    failed = 0
    until = time.monotonic() + seconds
    await asyncio.sleep(SETTLING)

    async def client() -> None:
        nonlocal failed
        while time.monotonic() < until:
            for name, ask in (("gateway", _ask(gateway, f"quick-{MODEL}")), ("direct", _ask(direct, MODEL))):
                try:
                    async with asyncio.timeout(MAX_LENGTH):
                        outcome = await load(ask, 1)
                except (TimeoutError, OSError):
                    failed += 1
                    continue
                failed += outcome.failed
                times[name] += [first * 1000 for first in outcome.first_chunk]
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(client() for _ in range(STREAMS)))
    return {**{name: sorted(values) for name, values in times.items()}, "failed": failed}


if __name__ == "__main__":
    print(json.dumps(run(probe(sys.argv[1], sys.argv[2], float(sys.argv[3])))))
