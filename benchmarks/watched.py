"""`python -m benchmarks.watched WINDOW CONFIG`: serve as `sluice serve` does, and report the event loop's state.

Once a second, a line of JSON is appended to the file WINDOW. `tasks` counts the loop's tasks. `lag` is the maximum
delay of its timers in that second, in milliseconds. `work` is the maximum CPU milliseconds that the loop spent between
two checks. A lag without work comes from the machine: other processes had the core.
"""

import asyncio
import json
import logging
import pathlib
import sys
import time

import uvloop

from proxy.cli.serve import _serve
from proxy.config.load import Loaded, load_whole
from proxy.reload.reloader import Origin
from proxy.tasks import spawn
from proxy.telemetry.logs import set_up_logs
from proxy.telemetry.output import Output

_STEP = 0.02
"""Seconds between two checks."""


async def _watched(loaded: Loaded, origin: Origin, output: Output, window: pathlib.Path) -> int:
    watching = spawn(_watch(window))
    try:
        return await _serve(loaded, origin, output)
    finally:
        watching.cancel()


async def _watch(window: pathlib.Path) -> None:
    loop = asyncio.get_running_loop()
    while True:
        lag, work, until = 0.0, 0.0, loop.time() + 1
        while (before := loop.time()) < until:
            used = time.thread_time()
            await asyncio.sleep(_STEP)
            lag = max(lag, loop.time() - before - _STEP)
            work = max(work, time.thread_time() - used)
        line = {"tasks": len(asyncio.all_tasks()), "lag": round(lag * 1000, 1), "work": round(work * 1000, 1)}
        with window.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    output = set_up_logs()
    logging.getLogger("sluice.access").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        config = sys.argv[2]
        code = runner.run(_watched(load_whole(config), Origin(config), output, pathlib.Path(sys.argv[1])))
    output.leave(code)
