"""`python -m proxy serve` as an operator sees it: it becomes ready, answers, drains, and reports errors."""

import asyncio
import json
import platform
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.clients import CHAT, ask, chunks_of, failure_of, plain, text_of
from tests.end_to_end.process import PATIENCE, ROOT, free_ports, started

pytestmark = pytest.mark.anyio

DRAINING = """
server: {port: "${SLUICE_PORT}", drain_seconds: DRAIN}
simulator: {port: "${SLUICE_SIMULATOR_PORT}"}
providers: {openai: {api_key: simulated, base_url: "http://127.0.0.1:${SLUICE_SIMULATOR_PORT}/v1"}}
models: {"sim-*": {target: "openai/sim-*"}}
"""
BROKEN = """
server: {prot: 8080, drain_seconds: soon}
providers:
  openai: {api_key: "${NO_SUCH_VARIABLE}"}
models:
  fast: {target: opneai/gpt-4o-mini}
"""


def draining(folder: Path, seconds: float) -> Path:
    config = folder / "config.yaml"
    config.write_text(DRAINING.replace("DRAIN", str(seconds)))
    return config


async def test_the_default_configuration_serves_every_provider_and_drains(anyio_backend: object) -> None:
    async with started(ROOT / "config.yaml") as serving, plain(serving.url) as http:
        await serving.ready(http)
        for model in ("gpt-4o-mini", "claude", "gemini-2.5-flash", "sim-chat"):
            whole = (await http.post(CHAT, json=ask(model))).json()
            streamed = chunks_of((await http.post(CHAT, json=ask(model, stream=True))).text)
            assert whole["choices"][0]["message"]["content"] == text_of(streamed) != ""
        serving.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while (await http.get("/readyz")).status_code != 503:
                pass
        await asyncio.sleep(0.5)  # a quarter of the notice: who has not looked at /readyz yet is still served
        async with plain(serving.url) as late:
            assert (await late.post(CHAT, json=ask("gpt-4o-mini"))).status_code == 200
            assert (await late.get("/readyz")).status_code == 503
        code, told = await serving.ended()
    assert code == 0
    assert "SIGTERM" in told
    assert "Traceback" not in told


async def test_a_stream_in_flight_gets_time_to_end(tmp_path: Path) -> None:
    async with started(draining(tmp_path, 20)) as serving, plain(serving.url) as http:
        await serving.ready(http)
        body = ask("sim-chat.tokens-10.pace-50", stream=True)
        async with http.stream("POST", CHAT, json=body) as response:
            parts = response.aiter_text()
            text = await anext(parts)
            serving.process.send_signal(signal.SIGINT)
            text += "".join([part async for part in parts])
        assert len(text_of(chunks_of(text))) == 40
        assert (await serving.ended())[0] == 0


async def test_a_stream_that_takes_longer_ends_in_an_error_event(tmp_path: Path) -> None:
    async with started(draining(tmp_path, 0.2)) as serving, plain(serving.url) as http:
        await serving.ready(http)
        async with http.stream("POST", CHAT, json=ask("sim-chat.pace-100", stream=True)) as response:
            parts = response.aiter_text()
            text = await anext(parts)
            serving.process.send_signal(signal.SIGINT)
            text += "".join([part async for part in parts])
        chunks, error = failure_of(text)
        assert chunks and error["code"] == "shutting_down"
        assert (await serving.ended())[0] == 0


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with started(draining(tmp_path, 300)) as serving, plain(serving.url) as http:
        await serving.ready(http)
        async with http.stream("POST", CHAT, json=ask("sim-chat.pace-1000", stream=True)) as response:
            await anext(aiter(response.aiter_raw()))
            serving.process.send_signal(signal.SIGTERM)
            while (await http.get("/readyz")).status_code != 503:
                pass
            serving.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                code, told = await serving.ended()
        assert code == 0
        assert "Traceback" not in told


async def test_the_first_lines_say_where_it_listens_and_with_which_file(tmp_path: Path) -> None:
    config = draining(tmp_path, 0)
    async with started(config) as serving, plain(serving.url) as http:
        await serving.ready(http)
        version = (await http.get("/admin/status")).json()["config"]["version"]
        serving.process.send_signal(signal.SIGINT)
        _, told = await serving.ended()
    lines = [json.loads(line) for line in told.splitlines()]
    assert {line["logger"] for line in lines} == {"sluice"}
    assert re.fullmatch(rf"sluice( [\d.]+)? listens on {serving.url} with {config} \({version}\)", lines[1]["msg"])


async def test_options_go_before_the_file(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    config = draining(tmp_path, 0)
    async with started(config, "--host", "localhost", "--port", str(port)) as serving:
        serving.url = f"http://127.0.0.1:{port}"
        async with plain(serving.url) as http:
            await serving.ready(http)


async def test_each_request_is_a_line_of_json_on_stdout(tmp_path: Path) -> None:
    async with started(draining(tmp_path, 0)) as serving, plain(serving.url) as http:
        await serving.ready(http)
        id = (await http.post(CHAT, json=ask("sim-chat", "my secret"))).headers["x-sluice-id"]
        serving.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            out, _ = await serving.process.communicate()
    (line,) = out.decode().splitlines()
    told = json.loads(line)
    assert (told["request_id"], told["status"], told["outcome"]) == (id, 200, "completed")
    assert "secret" not in line


# ---- errors
async def test_a_broken_configuration_is_told_in_full(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(BROKEN)
    async with started(config) as serving:
        code, told = await serving.ended()
    assert code == 1
    for wrong in ("server.prot", "server.drain_seconds", "NO_SUCH_VARIABLE", "models.fast.target"):
        assert wrong in told
    assert "Traceback" not in told


async def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    async with started(tmp_path / "none.yaml") as serving:
        code, told = await serving.ended()
    assert code == 1
    assert "none.yaml" in told and "Traceback" not in told


@pytest.mark.parametrize("taken", ["SLUICE_PORT", "SLUICE_SIMULATOR_PORT"])
async def test_a_port_that_is_taken_is_told(tmp_path: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = draining(tmp_path, 0)
        config.write_text(config.read_text().replace(f"${{{taken}}}", str(port)))
        async with started(config) as serving:
            code, told = await serving.ended()
    assert code == 1
    assert str(port) in told
    assert "Traceback" not in told


MEMORY = """
import re, sys
from pathlib import Path
from proxy.cli import serve

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1000

serve._return_large_blocks()
before, small = resident(), []
for size in (4_000_000, 3_000_000):
    large = []
    for _ in range(30):
        large.append(b"x" * size)
        small.append(bytearray(b"y" * 100_000))  # lies behind it, and stays
    del large
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps such blocks")
def test_the_memory_of_large_requests_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30  # MB; by itself the C library keeps 90
