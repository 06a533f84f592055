"""Client keys: permissions, models, and the list of models of each key."""

import hashlib
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from proxy.simulator import Answer
from tests.end_to_end.clients import CHAT, ask, plain
from tests.end_to_end.running import CONFIG, Running, fresh, running

pytestmark = pytest.mark.anyio

CLEAR = "clear-key-0123456789"
HASHED = "hashed-key-0123456789"
ADMIN = "admin-key-0123456789"
CONFIG_WITH_KEYS = (
    CONFIG.partition("models:")[0]
    + f"""
models:
  gpt-4o: {{{{target: openai/m}}}}
  gpt-4o-mini: {{{{target: openai/m}}}}
  claude: {{{{target: anthropic/m}}}}
  "gemini-*": {{{{target: "gemini/gemini-*"}}}}
auth:
  keys:
    - {{{{name: clear, key: {CLEAR}, models: ["gpt-*"]}}}}
    - {{{{name: hashed, sha256: {hashlib.sha256(HASHED.encode()).hexdigest()}, models: [claude, "gemini-*"]}}}}
    - {{{{name: ops, key: {ADMIN}, admin: true}}}}
"""
)


@pytest.fixture(scope="module")
async def shared_keyed(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG_WITH_KEYS) as run:
        yield run


@pytest.fixture
async def keyed(shared_keyed: Running) -> AsyncIterator[Running]:
    async with fresh(shared_keyed) as run:
        run.sim.answers["m"] = Answer("Hello")
        yield run


@pytest.fixture
async def http(keyed: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with plain(keyed.url) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("key", "model"),
    [(CLEAR, "gpt-4o"), (CLEAR, "gpt-4o-mini"), (HASHED, "claude"), (ADMIN, "gpt-4o"), (ADMIN, "claude")],
)
async def test_a_key_may_use_its_models(keyed: Running, http: httpx.AsyncClient, key: str, model: str) -> None:
    response = await http.post(CHAT, json=ask(model), headers=bearer(key))
    assert response.status_code == 200
    assert (await keyed.recorded()).client == {CLEAR: "clear", HASHED: "hashed", ADMIN: "ops"}[key]


async def test_a_key_is_taken_from_x_api_key_too(http: httpx.AsyncClient) -> None:
    assert (await http.post(CHAT, json=ask("gpt-4o"), headers={"x-api-key": CLEAR})).status_code == 200


@pytest.mark.parametrize(
    ("key", "model"), [(CLEAR, "claude"), (CLEAR, "gemini-2.5-flash"), (HASHED, "gpt-4o"), (HASHED, "gpt-4o-mini")]
)
async def test_a_key_may_not_use_others(keyed: Running, http: httpx.AsyncClient, key: str, model: str) -> None:
    response = await http.post(CHAT, json=ask(model), headers=bearer(key))
    assert response.status_code == 403
    error = response.json()["error"]
    assert (error["code"], error["param"], error["type"]) == ("model_not_allowed", "model", "invalid_request_error")
    assert not keyed.sim.calls
    assert (await keyed.recorded()).outcome == "refused"
    assert len(keyed.records) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": CLEAR},
        {"authorization": f"Basic {CLEAR}"},
        bearer(CLEAR[:-1]),
        bearer(f"{CLEAR}0"),
        bearer(CLEAR.upper()),
        bearer(hashlib.sha256(HASHED.encode()).hexdigest()),
        {"authorization": f"Bearer {CLEAR} {CLEAR}"},
        {"authorization": "Bearer nobody", "x-api-key": CLEAR},
    ],
)
async def test_without_a_known_key_nothing_happens(
    keyed: Running, http: httpx.AsyncClient, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("GET", "/models/gpt-4o")):
        response = await http.request(method, path, json=ask("gpt-4o") if path == CHAT else None, headers=headers)
        assert response.status_code == 401
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        assert response.json()["error"]["code"] == "invalid_api_key"
        assert response.headers["www-authenticate"] == "Bearer"
        assert CLEAR not in response.text
    assert not keyed.sim.calls
    assert [record.outcome for record in keyed.records] == ["refused"]
    assert CLEAR not in caplog.text and HASHED not in caplog.text


async def test_the_key_is_asked_for_before_the_body_is_read(keyed: Running, http: httpx.AsyncClient) -> None:
    response = await http.post(CHAT, content=b"{", headers={"content-type": "application/json"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (CLEAR, ["gpt-4o", "gpt-4o-mini"]),
        (HASHED, ["claude", "gemini-*"]),
        (ADMIN, ["gpt-4o", "gpt-4o-mini", "claude", "gemini-*"]),
    ],
)
async def test_a_key_is_shown_its_models_only(http: httpx.AsyncClient, key: str, shown: list[str]) -> None:
    listed = await http.get("/v1/models", headers=bearer(key))
    assert [model["id"] for model in listed.json()["data"]] == shown
    for model in ("gpt-4o", "gpt-4o-mini", "claude", "gemini-2.5-flash"):
        one = await http.get(f"/v1/models/{model}", headers=bearer(key))
        allowed = model in shown or (model.startswith("gemini-") and "gemini-*" in shown)
        assert one.status_code == (200 if allowed else 404)


async def test_a_key_learns_nothing_of_models_that_are_not_its_own(http: httpx.AsyncClient) -> None:
    mistyped = await http.post(CHAT, json=ask("gpt-4"), headers=bearer(CLEAR))
    assert mistyped.status_code == 404
    assert "'gpt-4o'" in mistyped.json()["error"]["message"]
    foreign = [await http.post(CHAT, json=ask(model), headers=bearer(HASHED)) for model in ("gpt-4o", "gpt-4x")]
    assert [response.status_code for response in foreign] == [403, 403]
    assert foreign[0].text.replace("gpt-4o", "gpt-4x") == foreign[1].text


async def test_keys_show_nowhere(keyed: Running, http: httpx.AsyncClient) -> None:
    await http.post(CHAT, json=ask("gpt-4o"), headers=bearer(CLEAR))
    shown = f"{keyed.gateway!r} {keyed.gateway.config!r} {keyed.gateway.config} {keyed.records}"
    for key in (CLEAR, ADMIN, "provider-key"):
        assert key not in shown
