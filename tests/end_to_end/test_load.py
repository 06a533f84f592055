"""Many concurrent streams at the process as an operator runs it: clients that read almost nothing, and its end."""

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from proxy.simulator import Answer, Simulator
from tests.end_to_end.clients import plain
from tests.end_to_end.process import Serving, started
from tests.end_to_end.wire import Client, Response, chat, client, responses, until

pytestmark = pytest.mark.anyio

CONFIG = """
server: {port: "${SLUICE_PORT}", drain_seconds: 1}
providers: {openai: {api_key: simulated, base_url: "URL/v1"}}
models: {"*": {target: "openai/*"}}
"""
CLIENTS = 100
SMALL = 4096


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Serving, Simulator, int]]:
    """Run a gateway process with the simulator in this one. Yield the gateway's port."""
    async with Simulator() as sim:
        config = folder / "config.yaml"
        config.write_text(CONFIG.replace("URL", sim.url))
        async with started(config) as process, plain(process.url) as http:
            await process.ready(http)
            yield process, sim, int(process.url.rpartition(":")[2])


def resident(process: Serving) -> int:
    """Bytes of memory that the process has."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_clients_that_read_next_to_nothing_cost_next_to_nothing(tmp_path: Path) -> None:
    """Each reads 1 KB a second of an answer of 10 MB, which its provider sends at full speed."""
    async with serving(tmp_path) as (process, sim, port), AsyncExitStack() as stack:
        sim.answers["flood"] = Answer("x" * 10_000_000, chunk=20_000)
        async with client(port) as first:  # what is loaded with a first request
            await first.send(chat("flood", "connection: close"))
            await first.rest(seconds=20)
        before = resident(process)
        readers = [await stack.enter_async_context(client(port, receive_buffer=SMALL)) for _ in range(CLIENTS)]
        for reader in readers:
            await reader.send(chat("flood"))
        most = 0
        for _ in range(8):
            await asyncio.sleep(1)
            assert all(await asyncio.gather(*(reader.read(1024) for reader in readers)))
            most = max(most, resident(process))
        print(f"{CLIENTS} slow readers: {(most - before) / 1e6:.1f} MB, {(most - before) / CLIENTS / 1e3:.0f} KB each")
        assert most - before < CLIENTS * 1_500_000  # 0.9 MB each are usual
        for reader in readers:
            reader.close()
        await until(lambda: not any(call.outcome is None for call in sim.calls), seconds=10)


# ---- the end of the process
@asynccontextmanager
async def busy(folder: Path) -> AsyncIterator[tuple[Serving, list[tuple[Client, bool]], int]]:
    """A process that serves streams of all lengths, each begun, and whole requests (False)."""
    async with serving(folder) as (process, sim, port), AsyncExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            stream = number % 4 != 0
            one = await stack.enter_async_context(client(port))
            await one.send(chat(f"sim-chat.tokens-{10 + number * 3}.pace-50", "connection: close", stream=stream))
            clients.append((one, stream))
        await asyncio.gather(*(one.until(b'"content":"', seconds=20) for one, stream in clients if stream))
        await until(lambda: len(sim.calls) == CLIENTS, seconds=20)
        yield process, clients, port


def ending(response: Response, stream: bool) -> str:
    """Return the end of a response. "cut" must not happen."""
    if not response.complete:
        return "cut"
    if not stream or response.status != 200:
        return "whole" if response.status == 200 else str(response.error["code"])
    last = response.events[-1]
    return "done" if last == "[DONE]" else str(last.get("error", {}).get("code", "cut"))


async def test_a_drain_cuts_no_stream_without_a_word(tmp_path: Path) -> None:
    async with busy(tmp_path) as (process, clients, port), plain(process.url) as http:
        process.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        async with asyncio.timeout(5):
            while (await http.get("/readyz")).status_code != 503:
                pass
        async with client(port) as late:  # who has not looked at /readyz yet
            await late.send(chat("sim-chat", "connection: close"))
            assert responses(await late.rest(seconds=10))[0].events[-1] == "[DONE]"
        read = await asyncio.gather(*(one.rest(seconds=30) for one, _ in clients))
        assert time.monotonic() - began >= 2  # of notice
        code, told = await process.ended()
    assert (code, "Traceback" in told) == (0, False)
    ends = Counter(ending(responses(wire)[0], stream) for wire, (_, stream) in zip(read, clients, strict=True))
    assert set(ends) == {"done", "whole", "shutting_down"}
    assert ends.total() == CLIENTS


async def test_a_second_signal_under_load_ends_at_once(tmp_path: Path) -> None:
    async with busy(tmp_path) as (process, _, _):
        process.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        began = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        code, told = await process.ended()
        assert time.monotonic() - began < 5
    assert "Traceback" not in told, told
    assert code == 0
