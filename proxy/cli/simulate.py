"""`sluice simulate`: serve the simulated providers until SIGINT or SIGTERM."""

import asyncio
import signal
import sys

import uvloop

from proxy.simulator import Simulator


async def run(host: str, port: int) -> None:
    """Serve the simulator until a signal arrives. Raises OSError if it cannot listen."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Simulator(host, port) as simulator:
        print(_welcome(simulator.url), flush=True)
        await stopped.wait()


def simulate(host: str, port: int) -> int:
    """Run the simulator. Return the exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(host, port))
    except OSError as error:
        print(f"Cannot listen on {host}:{port} ({error.strerror}). Choose another port with --port.", file=sys.stderr)
        return 1
    return 0


def _welcome(url: str) -> str:
    return f"""The simulator stands in for three providers; any API key will do. Base URLs:
  openai     {url}/v1
  anthropic  {url}
  gemini     {url}
Models, and the options of their names: {url}/ (try sim-chat.pace-20, sim-tools, sim-secrets.after-3-drop)
Calls so far: {url}/_sim/calls. Ctrl-C ends it."""
