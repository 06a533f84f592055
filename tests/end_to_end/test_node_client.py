"""OpenAI's client for Node: it streams, understands errors, and its abort closes the provider."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from proxy.simulator import Answer, InjectedFault, Tokens
from tests.end_to_end.running import PROVIDERS, Running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)

FOLDER = Path(__file__).parent / "node"
TEXT = "Hello 您好 👩‍👩‍👧 — naïve"
PATIENCE = 30


def without(what: str) -> NoReturn:
    """No Node client here: nothing to test outside CI, a failure in it."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """Install the packages of package-lock.json once, beside it."""
    if not shutil.which("node") or not shutil.which("npm"):
        without("Node.js is not installed: install node and npm to run this test")
    stamp = FOLDER / "node_modules" / ".installed"
    lock = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == lock:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120)
    if done.returncode:
        without(f"npm ci failed in {FOLDER}: {done.stderr.strip()[-500:]}")
    stamp.write_text(lock)


@asynccontextmanager
async def node(run: Running, model: str, scenario: str) -> AsyncIterator[Any]:
    """Return the script's result. The script may run until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *("node", "client.mjs", f"{run.url}/v1", model, scenario),
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
            if not line:
                pytest.fail((await process.communicate())[1].decode())
            yield json.loads(line)
            process.stdin.close()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@each_provider
async def test_it_streams(run: Running, provider: str) -> None:
    run.sim.answers["m"] = Answer(TEXT, chunk=3, cut=5, tokens=Tokens(prompt=3, completion=9))
    async with node(run, f"{provider}-m", "stream") as got:
        assert got == {"text": TEXT, "finish": "stop", "total_tokens": 12}


async def test_it_gets_whole_answers(run: Running) -> None:
    run.sim.answers["m"] = Answer(TEXT, tokens=Tokens(prompt=3, completion=9))
    async with node(run, "openai-m", "whole") as got:
        assert got == {"text": TEXT, "finish": "stop", "total_tokens": 12, "id": (await run.recorded()).id}


async def test_a_refusal_is_its_own_exception(run: Running) -> None:
    run.sim.answers["m"] = Answer(fault=InjectedFault("status", status=429, message="Slow down 慢"))
    async with node(run, "openai-m", "error") as got:
        assert (got["name"], got["status"]) == ("RateLimitError", 429)
        assert "Slow down 慢" in got["message"]


async def test_a_failure_in_mid_stream_is_an_exception_too(run: Running) -> None:
    run.sim.answers["m"] = Answer("one two ", chunk=4, pace=0.02, fault=InjectedFault("eof", after=1))
    async with node(run, "openai-m", "error") as got:
        assert (got["name"], got["code"]) == ("APIError", "upstream_died")


@each_provider
async def test_its_abort_closes_the_provider(run: Running, provider: str) -> None:
    run.sim.answers["m"] = Answer("word " * 2000, chunk=5, pace=0.01)
    async with node(run, f"{provider}-m", "abort") as got:
        call = await run.sim.next_call()
        await call.left()
        assert got == {"chunks": 3, "aborted": True}
    assert call.chunks_sent < 2000
    assert (await run.recorded()).outcome == "client_cancelled"
