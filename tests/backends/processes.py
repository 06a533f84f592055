"""The backends as processes, and their query APIs."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

PATIENCE = 90
"""Seconds for a backend to start, or for a figure to appear."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def process(ready: str, log: Path, *command: str, **environ: str) -> AsyncIterator[None]:
    """Run a process until the block ends, from the moment when the URL `ready` answers 200. End its children too."""
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environ}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        await eventually(lambda http: http.get(ready), lambda answer: answer.status_code == 200)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)  # its own session: it and its children, nobody else
        await running.wait()


async def eventually(ask: Callable[[httpx.AsyncClient], Any], good: Callable[[Any], bool]) -> Any:
    """The first good answer."""
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient(trust_env=False, timeout=20) as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await ask(http)
                if good(answer):
                    return answer
            await asyncio.sleep(0.3)


@dataclass(frozen=True)
class Phoenix:
    """A Phoenix and its project."""

    url: str
    project: str

    async def spans(self, trace_id: str, count: int) -> list[dict[str, Any]]:
        """Return a trace's spans, once there are `count`."""
        url = f"{self.url}/v1/projects/{self.project}/spans"
        answer = await eventually(
            lambda http: http.get(url, params={"trace_id": trace_id, "limit": 100}),
            lambda answer: answer.status_code == 200 and len(answer.json()["data"]) >= count,
        )
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def ask(self, query: str, good: Callable[[Any], bool]) -> Any:
        """Return GraphQL's answer, once it is good."""
        answer = await eventually(
            lambda http: http.post(f"{self.url}/graphql", json={"query": query}),
            lambda answer: answer.status_code == 200 and good(answer.json()["data"]),
        )
        return answer.json()["data"]


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that scrapes."""

    url: str

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """Return a query's current result. Raises Prometheus's error."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            answer = (await http.get(f"{self.url}/api/v1/query", params={"query": query})).json()
        assert answer["status"] == "success", (query, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def value(self, query: str, at_least: float = 0) -> float:
        """The one figure of a query, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.ask(query)
                if found and float(found[0]["value"][1]) >= at_least:
                    assert len(found) == 1
                    return float(found[0]["value"][1])
                await asyncio.sleep(0.3)

    async def labels(self) -> set[str]:
        """Every label's value that there is."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            found = (await http.get(f"{self.url}/api/v1/series", params={"match[]": '{__name__=~".+"}'})).json()
        return {value for series in found["data"] for value in series.values()}


@contextlib.asynccontextmanager
async def phoenix(folder: Path, project: str) -> AsyncIterator[Phoenix]:
    port, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_AGENTS_DISABLE_BASH": "true",
        "PHOENIX_AGENTS_DISABLE_WEB_ACCESS": "true",
        "PHOENIX_AGENTS_DISABLE_GITHUB": "true",
    }
    command = os.environ["SLUICE_PHOENIX"]
    async with process(f"{url}/healthz", folder / "phoenix.log", command, "serve", **environ):
        yield Phoenix(url, project)


@contextlib.asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s}}\nscrape_configs:\n"
        f'  - {{job_name: sluice, static_configs: [{{targets: ["{target}"]}}]}}\n'
    )
    command = ("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data")
    async with process(f"{url}/-/ready", folder / "prometheus.log", *command, f"--web.listen-address=127.0.0.1:{port}"):
        yield Prometheus(url)
