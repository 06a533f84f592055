"""`sluice serve` whose output nobody reads still serves and ends, and reports the lines that it dropped."""

import asyncio
import contextlib
import json
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.process import ROOT, Serving, started
from tests.end_to_end.wire import chat, client

pytestmark = pytest.mark.anyio

CONFIG = """
server: {port: "${SLUICE_PORT}", drain_seconds: 0}
simulator: {port: "${SLUICE_SIMULATOR_PORT}"}
providers: {openai: {api_key: simulated, base_url: "http://127.0.0.1:${SLUICE_SIMULATOR_PORT}/v1"}}
models: {"sim-*": {target: "openai/sim-*"}}
"""
LONG = "no-such-model-" + "\U0001d4d0" * 240
"""A name that makes an access line longer than 1 kB."""

SOON = 10.0
"""Maximum seconds for the end: far more than two for the notice and one for the remaining output."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


def filled(descriptor: int) -> int:
    """Fill a descriptor, so that not one more byte can be written."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"\n" * 4096)
    os.set_blocking(descriptor, True)
    return descriptor


@contextlib.contextmanager
def full_fifo(folder: Path) -> Iterator[int]:
    os.mkfifo(folder / "fifo")
    reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(folder / "fifo", os.O_WRONLY)
    try:
        yield filled(writer)
    finally:
        os.close(reader)
        os.close(writer)


@contextlib.contextmanager
def closed_pipe(folder: Path) -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[int]:
    file = os.open("/dev/full", os.O_WRONLY)
    try:
        yield file
    finally:
        os.close(file)


async def ends(serving: Serving, number: signal.Signals) -> None:
    serving.process.send_signal(number)
    async with asyncio.timeout(SOON):
        assert await serving.process.wait() == 0


async def serves(http: httpx.AsyncClient) -> None:
    assert (await http.post(CHAT, json=ask("sim-chat"))).status_code == 200
    assert (await http.post(CHAT, json=ask(LONG))).status_code == 404
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("kind", [full_fifo, closed_pipe, full_disk])
async def test_neither_stdout_nor_stderr_keeps_it_from_serving_and_ending(
    kind: contextlib.AbstractContextManager[int], config: Path, tmp_path: Path
) -> None:
    with kind(tmp_path) as out:  # type: ignore[operator]
        async with started(config, stdout=out, stderr=out) as serving, plain(serving.url) as http:
            await serving.ready(http)
            await serves(http)
            await ends(serving, signal.SIGTERM if kind is full_fifo else signal.SIGINT)


async def test_descriptors_that_are_closed_at_the_start_are_no_connections_later(config: Path) -> None:
    """The system assigns the lowest free number to the next opened file. Log lines would go into a client's answer."""
    async with started(config, shell='exec "$@" <&- >&- 2>&-') as serving, plain(serving.url) as http:
        await serving.ready(http)
        for _ in range(5):
            await serves(http)
        for number in (0, 1, 2):
            assert os.readlink(f"/proc/{serving.process.pid}/fd/{number}") == "/dev/null"
        await ends(serving, signal.SIGINT)


async def ask_often(serving: Serving, times: int) -> None:
    """Ask for a missing path, over one connection."""
    request = chat(LONG)
    async with client(int(serving.url.rpartition(":")[2])) as one:
        for _ in range(times):
            await one.send(request)
            assert (await one.response(SOON)).status == 404


async def test_a_reader_that_stops_loses_lines_and_hears_how_many(config: Path) -> None:
    reader, writer = os.pipe()
    async with started(config, stdout=writer) as serving, plain(serving.url) as http:
        os.close(writer)
        await serving.ready(http)
        await asyncio.gather(*(ask_often(serving, 100) for _ in range(20)))
        assert (await http.get("/healthz")).status_code == 200
        lines, dropped = await asyncio.to_thread(read_until_told, reader)
        assert dropped > 0 and len(lines) + dropped == 2000
        assert f"sluice_log_lines_dropped_total {dropped}.0" in (await http.get("/metrics")).text
        await ask_often(serving, 100)  # more than a pipe takes
        await ends(serving, signal.SIGTERM)
    os.close(reader)


def read_until_told(reader: int) -> tuple[list[dict[str, Any]], int]:
    """Read the lines of requests, and the number of dropped lines in the line between them."""
    lines: list[dict[str, Any]] = []
    dropped = 0
    data = b""
    while not dropped or select.select([reader], [], [], 0.5)[0]:
        assert select.select([reader], [], [], SOON)[0], "nothing more came"
        *whole, data = (data + os.read(reader, 65536)).split(b"\n")
        found = [json.loads(line) for line in whole]
        lines += [line for line in found if line["msg"] == "request"]
        dropped += sum(line.get("dropped", 0) for line in found)
    return lines, dropped


async def test_a_disk_that_answers_no_more_does_not_keep_the_process(config: Path, tmp_path: Path) -> None:
    """The configuration is read in a thread, and nobody ever writes to the FIFO in its place."""
    async with started(config) as serving, plain(serving.url) as http:
        await serving.ready(http)
        os.mkfifo(tmp_path / "fifo")
        os.replace(tmp_path / "fifo", config)
        serving.process.send_signal(signal.SIGHUP)
        await serves(http)
        await ends(serving, signal.SIGINT)


# ---- lines that an operator must see anyway
async def test_a_crash_at_the_start_is_told(tmp_path: Path) -> None:
    """This is not an error of the configuration, which has its own messages, but an unexpected one."""
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import proxy.app\ndef fails(*a, **k): raise RuntimeError('thought of by nobody')\n"
        "proxy.app.create_gateway = fails\n"
    )
    shell = f'PYTHONPATH="{tmp_path}:$PYTHONPATH" exec "$@"'
    async with started(ROOT / "config.yaml", shell=shell) as serving:
        code, told = await serving.ended()
    assert code == 1
    assert "Traceback" in told and "thought of by nobody" in told
