"""`sluice serve`: read the configuration, start the simulator if it is used, serve until a signal says otherwise."""

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
"""The garbage collector's thresholds. Requests that fail leave cycles behind, some two dozen objects each, so the young
are looked at often and a few at a time: at 10,000 a look took 20 ms, and 100 the rarer one at those that outlived it.
All objects are looked at rarely, since that is those of all open streams, again and again."""

TURN = 0.0005
"""Seconds for which another thread keeps the interpreter from the event loop. Threads export spans, a tenth of a
millisecond each, and compile what is reloaded: at Python's own 5 ms each chunk that comes meanwhile would wait so long.
At 300 traced requests a second the slowest hundredth of first tokens took 23 ms so, and takes 8."""

LARGE = 128 * 1024
"""Bytes from which on a block of memory goes back to the system as soon as it is free. By itself the C library raises
this to the size of the largest block that was freed: after a few large requests their memory would stay."""

_M_MMAP_THRESHOLD = -3


def serve(path: str, host: str | None, port: int | None, log_level: str) -> NoReturn:
    """Run the gateway until it is told to end, and leave with its exit code."""
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
    # It is not closed: that waits for threads, and one may wait for a disk that does not answer. All else is over.
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return runner.run(_serve(loaded, Origin(path, server=server), output))


async def _serve(loaded: Loaded, origin: Origin, output: Output) -> int:
    sys.setswitchinterval(TURN)
    _return_large_blocks()
    raise_limit()
    config = loaded.config
    async with contextlib.AsyncExitStack() as stack:
        if config.simulator is not None:
            from proxy.simulator import Simulator  # only for those who use it

            port = config.simulator.port
            try:
                simulator = await stack.enter_async_context(Simulator(port=port))
            except OSError:
                remedy = "set SLUICE_SIMULATOR_PORT where the file has it, or change simulator.port and each base_url"
                return _cannot_listen(f"port {port} for the built-in simulator", remedy)
            log.info("the built-in simulator stands in for providers at %s", simulator.url)
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
        except SystemExit:  # so uvicorn says that it cannot listen; it has logged why
            return _cannot_listen(
                f"{config.server.host}:{config.server.port}", "choose another with server.port or --port"
            )
        return 0 if server.started else 1


def _begun(path: str | os.PathLike[str], gateway: Gateway, url: str) -> None:
    try:
        version = f" {version_of('sluice-gateway')}"
    except PackageNotFoundError:  # run from its source
        version = ""
    room, streams = gateway.connections.most, gateway.config.server.max_streams
    if room < streams:
        remedy = "raise the limit of open files (ulimit -n)"
        log.warning("there is room for %d connections, fewer than server.max_streams (%d): %s", room, streams, remedy)
    log.info("sluice%s listens on %s with %s (%s)", version, url, os.fspath(path), gateway.version.id)


def _cannot_listen(where: str, remedy: str) -> int:
    print(f"Cannot listen on {where}: another process may do; {remedy}.", file=sys.stderr)
    return 1


def _return_large_blocks() -> None:
    """See `LARGE`. Only glibc has this to set."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE)


def _warm(gateway: Gateway) -> None:
    """Do what would make the first request slow, then put the heap that this left out of the collector's way: LiteLLM's
    makes a full collection a pause of a tenth of a second."""
    litellm.warm(apis_in_use(gateway.config))
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTING)
    gc.enable()
