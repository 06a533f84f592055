"""GET /v1/models and /v1/models/{id}.

Rule: a client sees only what its key may use. A wildcard entry is listed as its pattern, to those who may use all of
it; a name that a wildcard takes can be asked for by id.
"""

import time
from collections.abc import Callable
from typing import Any

from proxy.access.keys import Client
from proxy.api.http_common import admit, id_headers, mint_id, refuse, respond
from proxy.config.models import Config, Model
from proxy.config.resolve import close_names, resolve
from proxy.errors import GatewayError, NotFound
from proxy.gateway import Gateway
from proxy.streaming.response import Receive, Scope, Send
from proxy.version import Version

_MAX_SHOWN = 100


class ModelList:
    """GET /v1/models."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._created = int(time.time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = self._gateway.version
        await _answer(version, scope, send, lambda client: list_models(version.config, client, self._created))


class ModelRetrieve:
    """GET /v1/models/{id}."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._created = int(time.time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name: str = scope["path_params"]["id"]
        version = self._gateway.version
        await _answer(version, scope, send, lambda client: show_model(version.config, client, name, self._created))


def list_models(config: Config, client: Client, created: int) -> dict[str, Any]:
    """OpenAI's list object. `created` is in seconds since 1970."""
    names = [name for name in config.models if client.may_use(name)]
    return {"object": "list", "data": [_model(name, config.models[name], created) for name in names]}


def show_model(config: Config, client: Client, name: str, created: int) -> dict[str, Any]:
    """OpenAI's model object. Raises `NotFound`, also for a model that the client may not use."""
    resolved = resolve(config, name)
    entry = resolved.pattern if resolved else name
    if entry not in config.models or not client.may_use(name):
        raise model_not_found(config, name, client)
    return _model(name, config.models[entry], created)


def model_not_found(config: Config, name: str, client: Client) -> NotFound:
    """The error for a name that stands for no model, with the close names that the client may use."""
    shown = name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}…"
    close = ", ".join(f"'{known}'" for known in close_names(config, name, client.may_use))
    hint = f"did you mean {close}?" if close else "GET /v1/models lists the models."
    return NotFound(f"The model '{shown}' does not exist; {hint}", param="model", code="model_not_found")


async def _answer(version: Version, scope: Scope, send: Send, make: Callable[[Client], dict[str, Any]]) -> None:
    headers = id_headers(scope, mint_id())
    try:
        body = make(admit(version, scope))
    except GatewayError as error:
        await refuse(send, error, headers)
        return
    await respond(send, 200, body, headers)


def _model(name: str, model: Model, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": model.places[0].target.partition("/")[0]}
