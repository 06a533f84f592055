"""GET /v1/models and /v1/models/{id}."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Route

from proxy.access.keys import ANONYMOUS, Client
from proxy.api.models import ModelList, ModelRetrieve, list_models, model_not_found, show_model
from proxy.app import create_gateway
from proxy.config.models import Auth, Config, Key, Model, Provider
from proxy.errors import NotFound

CONFIG = Config(
    auth=Auth(keys=(Key(name="team", key=SecretStr("team-key-1"), models=("gpt-*", "local/*")),)),
    providers={"openai": Provider(), "gemini": Provider(), "local": Provider(api="openai", base_url="http://h/v1")},
    models={
        "gpt-4o": Model(target="openai/gpt-4o-2024"),
        "claude": Model(target="openai/x"),
        "gemini-*": Model(target="gemini/gemini-*"),
        "local/*": Model(target="local/*"),
    },
)
TEAM = Client("team", admin=False, models=("gpt-*", "local/*"))
NARROW = Client("narrow", admin=False, models=("gemini-2.5-*",))


def test_a_model_is_openais_object() -> None:
    assert list_models(CONFIG, ANONYMOUS, 7)["object"] == "list"
    assert list_models(CONFIG, ANONYMOUS, 7)["data"][0] == {
        "id": "gpt-4o",
        "object": "model",
        "created": 7,
        "owned_by": "openai",
    }


@pytest.mark.parametrize(
    ("client", "names"),
    [
        (ANONYMOUS, ["gpt-4o", "claude", "gemini-*", "local/*"]),
        (TEAM, ["gpt-4o", "local/*"]),
        (NARROW, []),
    ],
)
def test_a_client_sees_what_its_key_may_use(client: Client, names: list[str]) -> None:
    assert [model["id"] for model in list_models(CONFIG, client, 7)["data"]] == names


@pytest.mark.parametrize(
    ("client", "name", "owner"),
    [
        (ANONYMOUS, "gpt-4o", "openai"),
        (ANONYMOUS, "gemini-*", "gemini"),
        (ANONYMOUS, "gemini-2.5-flash", "gemini"),
        (NARROW, "gemini-2.5-flash", "gemini"),
        (TEAM, "local/meta/llama", "local"),
    ],
)
def test_a_model_is_shown_by_name_or_by_what_a_wildcard_takes(client: Client, name: str, owner: str) -> None:
    assert show_model(CONFIG, client, name, 7) == {"id": name, "object": "model", "created": 7, "owned_by": owner}


@pytest.mark.parametrize(
    ("client", "name", "hint"),
    [
        (ANONYMOUS, "gtp-4o", "The model 'gtp-4o' does not exist; did you mean 'gpt-4o'?"),
        (ANONYMOUS, "zzz", "The model 'zzz' does not exist; GET /v1/models lists the models."),
        (TEAM, "claude", "The model 'claude' does not exist; GET /v1/models"),
        (TEAM, "claud", "The model 'claud' does not exist; GET /v1/models"),
        (NARROW, "gemini-*", "does not exist"),
        (NARROW, "gemini-1.5-pro", "does not exist"),
        (ANONYMOUS, "gemini-../x", "does not exist"),
        (ANONYMOUS, "x" * 10_000, f"'{'x' * 100}…' does not exist"),
    ],
)
def test_an_unknown_or_forbidden_model_is_404_with_the_close_names_one_may_use(
    client: Client, name: str, hint: str
) -> None:
    with pytest.raises(NotFound) as refusal:
        show_model(CONFIG, client, name, 7)
    assert (refusal.value.status, refusal.value.code, refusal.value.param) == (404, "model_not_found", "model")
    assert hint in refusal.value.message


def test_the_error_can_be_made_for_any_name() -> None:
    assert model_not_found(CONFIG, "gemini-2.5-flsh\x00\ud800", ANONYMOUS).code == "model_not_found"


async def get(path: str, headers: dict[str, str]) -> httpx.Response:
    gateway = create_gateway(CONFIG)
    routes = [Route("/v1/models", ModelList(gateway)), Route("/v1/models/{id:path}", ModelRetrieve(gateway))]
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path, headers={"authorization": "Bearer team-key-1", **headers})


@pytest.mark.parametrize(
    ("path", "headers", "status", "found"),
    [
        ("/v1/models", {}, 200, '"gpt-4o"'),
        ("/v1/models/local/meta/llama", {}, 200, '"local/meta/llama"'),
        ("/v1/models/claude", {}, 404, '"model_not_found"'),
        ("/v1/models", {"authorization": "Bearer nope-nope"}, 401, '"invalid_api_key"'),
        ("/v1/models/gpt-4o", {"authorization": "Bearer nope-nope"}, 401, '"invalid_api_key"'),
        ("/v1/models", {"origin": "https://evil.example"}, 403, '"origin_not_allowed"'),
    ],
)
def test_the_routes_answer_in_openais_format(path: str, headers: dict[str, str], status: int, found: str) -> None:
    response = asyncio.run(get(path, headers))
    body: dict[str, Any] = response.json()
    assert response.status_code == status
    assert found in json.dumps(body)
    assert ("error" in body) == (status != 200)
    assert response.headers["x-sluice-id"].startswith("chatcmpl-")
