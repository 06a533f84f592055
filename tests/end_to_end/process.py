"""`python -m proxy serve` in a process of its own, as an operator runs it."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 30
"""Seconds for a process to start or to end, far more than it needs."""


@dataclass(slots=True)
class Serving:
    """A gateway in a process of its own."""

    process: asyncio.subprocess.Process
    url: str

    async def ended(self) -> tuple[int, str]:
        """Return the exit code and the text on stderr, if stderr is captured."""
        async with asyncio.timeout(PATIENCE):
            _, told = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, (told or b"").decode()

    async def ready(self, http: httpx.AsyncClient) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.process.returncode is None:
                try:
                    if (await http.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        pytest.fail((await self.ended())[1])


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@asynccontextmanager
async def started(
    config: Path, *arguments: str, stdout: int = PIPE, stderr: int = PIPE, shell: str = ""
) -> AsyncIterator[Serving]:
    """Run `python -m proxy serve`, and end it at the latest with the block.

    `stdout` and `stderr` are file descriptors. `shell` is a shell's line with `exec "$@"` and its redirections.
    """
    port, simulator = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        *(("sh", "-c", shell, "sh") if shell else ()),
        *(sys.executable, "-m", "proxy", "serve", "--config", str(config), *arguments),
        cwd=ROOT,
        env={**os.environ, "SLUICE_PORT": str(port), "SLUICE_SIMULATOR_PORT": str(simulator)},
        stdout=stdout,
        stderr=stderr,
    )
    try:
        yield Serving(process, f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
