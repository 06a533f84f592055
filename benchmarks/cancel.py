"""`scripts/bench cancel`: milliseconds from a client's disconnect to the close of the provider's connection.

Client, gateway and simulator are in one process, on real sockets. Each cell of the tests' cancel matrix runs a number
of times. The clock runs from before the client's system call until the simulator has seen its own connection close, so
the figure includes the simulator's share.
"""

import statistics
import time

import uvloop

from proxy.providers import litellm
from tests.end_to_end.leaving import MATRIX_CONFIG, PROVIDERS, SMALL, STATES, WAYS, shrink_send_buffers
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import client, until

GOAL = 50
"""Maximum milliseconds until a provider's connection is closed."""


def run(rounds: int) -> int:
    """Measure and print a table. The exit code is 1 if a cell misses the goal."""
    litellm.warm(PROVIDERS)
    cells = uvloop.run(_measured(rounds))
    print(_table(cells, rounds))
    return 1 if any(max(times) > GOAL for times in cells.values()) else 0


Cell = tuple[str, str, str]
"""State, way and provider."""


async def _measured(rounds: int) -> dict[Cell, list[float]]:
    cells: dict[Cell, list[float]] = {}
    async with running(MATRIX_CONFIG) as gateway:
        shrink_send_buffers(gateway)
        for provider in PROVIDERS:
            await _once(gateway, "in mid-stream", "close", provider)  # warm up
            for state in STATES:
                for way in WAYS:
                    times = [await _once(gateway, state, way, provider) for _ in range(rounds)]
                    cells[state, way, provider] = times
    return cells


async def _once(gateway: Running, state: str, way: str, provider: str) -> float:
    """Return the milliseconds of one run."""
    count = len(gateway.records)
    async with client(gateway.port, receive_buffer=SMALL if state == "in a blocked write" else None) as leaver:
        call = await STATES[state](gateway, leaver, provider)
        began = time.perf_counter()
        WAYS[way](leaver)
        await call.left()
        taken = time.perf_counter() - began
    await gateway.recorded(count + 1)
    await until(lambda: not gateway.gateway.streams)
    return taken * 1000


def _table(cells: dict[Cell, list[float]], rounds: int) -> str:
    lines = [
        f"Milliseconds to the close of the provider's connection, median / largest of {rounds}; the goal is {GOAL}.",
        "",
        f"| the client leaves | by | {' | '.join(PROVIDERS)} |",
        f"|---|---|{'---|' * len(PROVIDERS)}",
    ]
    for state in STATES:
        for way in WAYS:
            row = [cells[state, way, provider] for provider in PROVIDERS]
            figures = " | ".join(f"{statistics.median(times):.1f} / {max(times):.1f}" for times in row)
            lines.append(f"| {state} | {way} | {figures} |")
    return "\n".join(lines)
