"""`sluice serve`: read the configuration, start the simulator if it is used, and serve until a signal arrives."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import logging
import os
import signal
import sys
import traceback
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any, NoReturn

import uvloop

from proxy.access.connections import raise_limit
from proxy.app import create_app, create_gateway
from proxy.cli.libraries import missing
from proxy.config.load import ConfigError, Loaded, load_whole
from proxy.config.providers import apis_in_use
from proxy.gateway import Gateway
from proxy.providers import litellm
from proxy.reload.reloader import Origin, Reloader
from proxy.server import make_server
from proxy.tasks import spawn
from proxy.telemetry.environment import TelemetryError
from proxy.telemetry.logs import set_up_logs
from proxy.telemetry.output import Output

log = logging.getLogger("sluice")

COLLECTING = (500, 10, 100)
"""The garbage collector's thresholds.

A failed request leaves some two dozen objects in cycles, so young objects are collected often and in small numbers.
With a threshold of 10,000 a collection took 20 ms, and the rarer collection of the survivors took 100 ms. Full
collections are rare, because each one visits the objects of all open streams.
"""

TURN = 0.0005
"""Seconds for which another thread may keep the interpreter from the event loop.

Threads export spans (a tenth of a millisecond each) and compile reloaded configurations. With Python's default of 5 ms,
each chunk that arrives meanwhile would wait that long. At 300 traced requests a second, the 99th percentile of the time
to the first token is 8 ms instead of 23 ms.
"""

LARGE = 128 * 1024
"""Minimum size in bytes of a memory block that is returned to the system as soon as it is free.

By default, the C library raises this to the size of the largest block ever freed. A few large requests would then keep
their memory.
"""

_M_MMAP_THRESHOLD = -3


def serve(path: str, host: str | None, port: int | None, log_level: str) -> NoReturn:
    """Run the gateway until it is told to stop, and exit with its code."""
    output = set_up_logs(log_level)
    try:
        code = _run(path, {"host": host, "port": port}, output)
    except KeyboardInterrupt:
        code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    output.leave(code)


def _run(path: str, server: dict[str, Any], output: Output) -> int:
    if problems := missing():
        print("\n".join(problems), file=sys.stderr)
        return 1
    try:
        loaded = load_whole(path, server=server)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    # Leave it open: closing waits for threads, and one may wait for a disk that does not answer. All other work is
    # over.
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return runner.run(_serve(loaded, Origin(path, server=server), output))


async def _serve(loaded: Loaded, origin: Origin, output: Output) -> int:
    sys.setswitchinterval(TURN)
    _return_large_blocks()
    raise_limit()
    config = loaded.config
    async with contextlib.AsyncExitStack() as stack:
        if config.simulator is not None:
            from proxy.simulator import Simulator  # only if it is used

            port = config.simulator.port
            try:
                simulator = await stack.enter_async_context(Simulator(port=port))
            except OSError:
                remedy = "set SLUICE_SIMULATOR_PORT where the file has it, or change simulator.port and each base_url"
                return _cannot_listen(f"port {port} for the built-in simulator", remedy)
            log.info("the built-in simulator serves as the provider at %s", simulator.url)
        try:
            gateway = create_gateway(config, version=loaded.version)
        except TelemetryError as error:
            print(error, file=sys.stderr)
            return 1
        gateway.telemetry.follow_output(lambda: output.dropped)
        reloader = Reloader(gateway, origin, litellm.warm)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.hang_up)
        await gateway.warm()
        _warm(gateway)
        app = create_app(gateway, reloader)
        begun = functools.partial(_begun, origin.path, gateway)
        server = make_server(app, gateway, begun=begun)
        stack.callback(spawn(reloader.watch()).cancel)
        try:
            await server.serve()
        except SystemExit:  # uvicorn cannot listen, and has logged why
            return _cannot_listen(
                f"{config.server.host}:{config.server.port}", "choose another with server.port or --port"
            )
        return 0 if server.started else 1


def _begun(path: str | os.PathLike[str], gateway: Gateway, url: str) -> None:
    try:
        version = f" {version_of('sluice-gateway')}"
    except PackageNotFoundError:  # runs from source
        version = ""
    room, streams = gateway.connections.most, gateway.config.server.max_streams
    if room < streams:
        remedy = "raise the limit of open files (ulimit -n)"
        log.warning(
            "the limit of open files allows %d connections, fewer than server.max_streams (%d): %s",
            room,
            streams,
            remedy,
        )
    log.info("sluice%s listens on %s with %s (%s)", version, url, os.fspath(path), gateway.version.id)


def _cannot_listen(where: str, remedy: str) -> int:
    print(f"Cannot listen on {where}. The port may already be in use: {remedy}.", file=sys.stderr)
    return 1


def _return_large_blocks() -> None:
    """Set `LARGE` in the C library. Only glibc supports it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)


def _warm(gateway: Gateway) -> None:
    """Do the work that would slow the first request, then hide the resulting heap from the garbage collector.

    A full collection would otherwise visit LiteLLM's objects, a pause of a tenth of a second.
    """
    litellm.warm(apis_in_use(gateway.config))
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTING)
    gc.enable()
