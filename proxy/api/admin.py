"""/admin/*: for operators. With `auth` each needs a key with `admin: true`."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from proxy.api.http_common import admit_admin, id_headers, mint_id, refuse, respond
from proxy.api.status import MAX_SHOWN, configuration, report, status
from proxy.errors import GatewayError
from proxy.formats.openai_chat.envelope import envelope
from proxy.gateway import Gateway
from proxy.reload.reloader import Reloader
from proxy.reload.state import State
from proxy.streaming.response import Receive, Scope, Send

_Answer: TypeAlias = tuple[int, dict[str, Any]]


class NotReloadable(GatewayError):
    """The gateway was not started from a file."""

    status = 409
    code = "not_reloadable"


class Admin:
    """The endpoints, each a raw ASGI application. `reloader` None: there is no file to read again."""

    def __init__(self, gateway: Gateway, reloader: Reloader | None) -> None:
        self._gateway = gateway
        self._reloader = reloader
        self._state = State() if reloader is None else reloader.state
        self.status = self._endpoint(self._status)
        self.report = self._endpoint(self._report)
        self.reload = self._endpoint(self._reload)

    def _endpoint(
        self, answer: Callable[[Scope], Awaitable[_Answer]]
    ) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        return _Endpoint(functools.partial(_admitted, self._gateway, answer))

    async def _status(self, scope: Scope) -> _Answer:
        return 200, status(self._gateway, self._state, MAX_SHOWN)

    async def _report(self, scope: Scope) -> _Answer:
        return 200, report(self._gateway)

    async def _reload(self, scope: Scope) -> _Answer:
        if self._reloader is None:
            raise NotReloadable("This gateway was not started from a file: there is nothing to read again.")
        result = await self._reloader.reload("POST /admin/reload")
        body = {"result": result, "config": configuration(self._gateway.version.id, self._state)}
        if result != "refused":
            return 200, body
        message = "The configuration is not right and was refused; the one in use stays. Correct what `problems` name."
        error = GatewayError(message, status=422, type="invalid_request_error", code="config_refused")
        refused = self._state.refused
        return 422, {**envelope(error), **body, "problems": list(refused.problems) if refused is not None else []}


class _Endpoint:
    """Starlette takes an object for an ASGI application, a function for one of its own."""

    def __init__(self, serve: Callable[[Scope, Send], Awaitable[None]]) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, send)


async def _admitted(gateway: Gateway, answer: Callable[[Scope], Awaitable[_Answer]], scope: Scope, send: Send) -> None:
    headers = [*id_headers(scope, mint_id()), (b"cache-control", b"no-store")]
    try:
        admit_admin(gateway.version, scope)
        status, body = await answer(scope)
    except GatewayError as error:
        await refuse(send, error, headers)
        return
    await respond(send, status, body, headers)
