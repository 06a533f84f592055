"""Forwarded requests are rejected without keys. For the client's address, only trusted proxies are believed."""

from collections.abc import AsyncIterator

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.accounting.record import access_line
from proxy.telemetry import names
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, running
from tests.end_to_end.spans import spans_of, tree

pytestmark = pytest.mark.anyio

FORWARDED = {"x-forwarded-for": "203.0.113.9"}
KEYS = "auth: {{keys: [{{name: a, key: a-key-0123456789}}]}}\n"
KEY = {"authorization": "Bearer a-key-0123456789"}


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/admin/status", "/admin/report"])
async def test_without_keys_a_forwarded_request_gets_nothing(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 200
    response = await http.get(path, headers=FORWARDED)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forwarded_without_keys")
    assert "auth.keys" in response.json()["error"]["message"]


async def test_without_keys_a_forwarded_chat_reaches_no_provider(run: Running, http: httpx.AsyncClient) -> None:
    for header in ("forwarded", "via", "x-real-ip", "x-forwarded-proto"):
        response = await http.post(CHAT, json=ask("openai-sim-chat"), headers={header: "127.0.0.1"})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "forwarded_without_keys")
    assert not run.sim.calls
    assert (await run.recorded(4)).outcome == "refused"


async def test_probes_may_be_forwarded(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await http.get(path, headers=FORWARDED)).status_code == 200


async def test_with_keys_a_forwarded_request_is_served() -> None:
    async with running(CONFIG, KEYS) as run, plain(run.url) as http:
        response = await http.post(CHAT, json=ask("openai-sim-chat"), headers={**KEY, **FORWARDED})
        assert response.status_code == 200


# ---- the client's address
@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture(params=["127.0.0.0/8", "10.0.0.0/8"])
async def behind(
    request: pytest.FixtureRequest, kept: InMemorySpanExporter
) -> AsyncIterator[tuple[Running, httpx.AsyncClient, bool]]:
    """Run a gateway that trusts proxies of a network. Yield its client, and true if that is in the network."""
    network: str = request.param
    config = CONFIG.replace("port: 0", f'port: 0, trusted_proxies: ["{network}"]')
    async with running(config, KEYS, exporters=[kept]) as run, plain(run.url) as http:
        yield run, http, network.startswith("127.")


async def test_the_address_is_on_the_access_line_and_the_span(
    behind: tuple[Running, httpx.AsyncClient, bool], kept: InMemorySpanExporter
) -> None:
    run, http, trusted = behind
    headers = {**KEY, "x-forwarded-for": "198.51.100.1, 203.0.113.9"}
    await http.post(CHAT, json=ask("openai-sim-chat"), headers=headers)
    expected = "203.0.113.9" if trusted else "127.0.0.1"
    assert access_line(await run.recorded())["client_address"] == expected
    server = tree(await spans_of(run, kept)).server
    assert server.attributes is not None and server.attributes[names.CLIENT_ADDRESS] == expected
