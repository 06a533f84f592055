"""Web pages: only those of allowed origins may use the gateway, whatever their names point at."""

from collections.abc import AsyncIterator

import httpx
import pytest

from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, fresh, running

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"
CORS = CONFIG.replace("port: 0", f'port: 0, cors_origins: ["{APP}"]')
KEYS = "auth: {{keys: [{{name: a, key: a-key-0123456789}}]}}\n"
KEY = {"authorization": "Bearer a-key-0123456789"}


@pytest.fixture(scope="module")
async def shared_cors(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CORS) as run:
        yield run


@pytest.fixture
async def cors(shared_cors: Running) -> AsyncIterator[Running]:
    async with fresh(shared_cors) as run:
        run.sim.answers["m"] = Answer("Hello")
        yield run


@pytest.fixture
async def page(cors: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with plain(cors.url) as http:
        yield http


@pytest.mark.parametrize("stream", [True, False])
async def test_a_page_of_an_allowed_origin_may_ask_and_read(page: httpx.AsyncClient, stream: bool) -> None:
    response = await page.post(CHAT, json=ask("openai-m", stream=stream), headers={"origin": APP})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == APP
    assert "x-request-id" in response.headers["access-control-expose-headers"].lower()


async def test_a_page_of_an_allowed_origin_sees_errors_too(page: httpx.AsyncClient) -> None:
    response = await page.post(CHAT, json=ask("nothing"), headers={"origin": APP})
    assert response.status_code == 404
    assert response.headers["access-control-allow-origin"] == APP


async def test_a_preflight_allows_what_sdks_send(page: httpx.AsyncClient) -> None:
    wanted = "authorization,content-type,x-stainless-lang"
    asked = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": wanted}
    response = await page.options(CHAT, headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == APP
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower()
    assert allowed == "*" or all(name in allowed for name in wanted.split(","))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://app.example.com", f"{APP}.evil.example", f"{APP}:8443", "null", ""]
)
async def test_another_origin_is_forbidden(cors: Running, page: httpx.AsyncClient, origin: str) -> None:
    for method, path in (("POST", CHAT), ("GET", "/v1/models")):
        body = ask("openai-m") if method == "POST" else None
        response = await page.request(method, path, json=body, headers={"origin": origin})
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "origin_not_allowed"
        assert "access-control-allow-origin" not in response.headers
    asked = {"origin": origin, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in (await page.options(CHAT, headers=asked)).headers
    assert not cors.sim.calls


async def test_without_allowed_origins_no_page_may_ask(run: Running, http: httpx.AsyncClient) -> None:
    for origin in (APP, "http://localhost:3000", run.url):
        response = await http.post(CHAT, json=ask("openai-m"), headers={"origin": origin})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "origin_not_allowed")
    cancel = await http.post(f"{CHAT}/chatcmpl-1/cancel", headers={"origin": APP})
    assert cancel.status_code == 403
    assert not run.sim.calls


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:{port}", "[::1]:{port}", "LOCALHOST:1", "app.localhost"])
async def test_loopback_names_are_answered(run: Running, http: httpx.AsyncClient, host: str) -> None:
    run.sim.answers["m"] = Answer("Hello")
    response = await http.post(CHAT, json=ask("openai-m"), headers={"host": host.format(port=run.port)})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "host", ["rebound.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", ""]
)
async def test_a_name_that_was_pointed_here_is_not(run: Running, http: httpx.AsyncClient, host: str) -> None:
    for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("POST", f"{CHAT}/chatcmpl-1/cancel")):
        body = ask("openai-m") if path == CHAT else None
        response = await http.request(method, path, json=body, headers={"host": host})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "host_not_allowed")


async def test_what_is_no_host_name_is_no_request(run: Running, http: httpx.AsyncClient) -> None:
    response = await http.get("/v1/models", headers={"host": "localhost@evil"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_http")
    assert not run.sim.calls


async def test_with_keys_any_name_is_answered(anyio_backend: object) -> None:
    async with running(extra=KEYS) as run, plain(run.url) as http:
        run.sim.answers["m"] = Answer("Hello")
        headers = {"host": "gateway.example.com", **KEY}
        assert (await http.post(CHAT, json=ask("openai-m"), headers=headers)).status_code == 200


async def test_a_key_does_not_open_the_gateway_to_a_foreign_page(anyio_backend: object) -> None:
    async with running(extra=KEYS) as run, plain(run.url) as http:
        response = await http.post(CHAT, json=ask("openai-m"), headers={"origin": "https://evil.example", **KEY})
        assert response.status_code == 403
        assert not run.sim.calls


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
async def test_json_is_taken(run: Running, http: httpx.AsyncClient, content_type: str) -> None:
    run.sim.answers["m"] = Answer("Hello")
    body = b'{"model": "openai-m", "messages": [{"role": "user", "content": "Hi"}]}'
    response = await http.post(CHAT, content=body, headers={"content-type": content_type})
    assert response.status_code == 200


async def test_probes_answer_under_any_name(http: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await http.get(path, headers={"host": "10.1.2.3:8080"})).status_code == 200
