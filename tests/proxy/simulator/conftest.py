"""The simulator on a free port, on both event loops, and three kinds of clients for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from proxy.simulator import Simulator

HEADERS = {
    "openai": {"authorization": "Bearer key"},
    "anthropic": {"x-api-key": "key", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "key"},
}


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def sim(anyio_backend: object) -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


def plain_client(**settings: Any) -> httpx.AsyncClient:
    """Make a client without certificates, whose loading would be most of a test's time."""
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=5, **settings)


@pytest.fixture
async def http(sim: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with plain_client(base_url=sim.url) as client:
        yield client


@pytest.fixture
async def openai(sim: Simulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=sim.url + "/v1", api_key="key", max_retries=0, http_client=plain_client()
    ) as client:
        yield client


@dataclass(frozen=True)
class Post:
    """A request in one provider's format."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def wire(self) -> bytes:
        data = json.dumps(self.body).encode()
        lines = [f"POST {self.path} HTTP/1.1", "host: localhost", f"content-length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join((*lines, "", "")).encode() + data

    @property
    def arguments(self) -> dict[str, Any]:
        return {"url": self.path, "headers": self.headers, "json": self.body}


@pytest.fixture
def post() -> Callable[..., Post]:
    """Make minimal requests to a provider, with further members in the body."""

    def build(provider: str, model: str = "m", *, stream: bool = True, **members: Any) -> Post:
        body: dict[str, Any]
        match provider:
            case "gemini":
                verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
                path, body = (
                    f"/v1beta/models/{model}:{verb}",
                    {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
                )
            case "anthropic":
                path, body = "/v1/messages", {"model": model, "max_tokens": 4096}
            case _:
                path, body = "/v1/chat/completions", {"model": model}
        if provider != "gemini":
            body |= {"messages": [{"role": "user", "content": "hi"}], "stream": stream}
        return Post(path, dict(HEADERS[provider]), body | members)

    return build


@dataclass
class Wire:
    """A raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: bytearray = field(default_factory=bytearray)

    async def until(self, marker: bytes) -> bytes:
        """Read until the marker. Return all data since the last marker."""
        async with asyncio.timeout(5):
            while marker not in self.seen:
                data = await self.reader.read(65536)
                assert data, f"the connection ended before {marker!r}: {bytes(self.seen)!r}"
                self.seen += data
        end = self.seen.index(marker) + len(marker)
        found = bytes(self.seen[:end])
        del self.seen[:end]
        return found

    async def rest(self) -> bytes:
        """All that comes until the connection ends."""
        async with asyncio.timeout(5):
            return bytes(self.seen) + await self.reader.read()


@pytest.fixture
async def connect(sim: Simulator) -> AsyncIterator[Callable[[], Any]]:
    wires: list[Wire] = []

    async def open_wire() -> Wire:
        wires.append(Wire(*await asyncio.open_connection(sim.host, sim.port)))
        return wires[-1]

    yield open_wire
    for wire in wires:
        wire.writer.transport.abort()


def server_sent(text: str) -> list[Any]:
    """Return the data of each event, parsed if it is JSON."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) if line.startswith("{") else line for line in lines]


@pytest.fixture
def events() -> Callable[[str], list[Any]]:
    return server_sent
