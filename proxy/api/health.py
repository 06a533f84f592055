"""GET /healthz (the process answers) and /readyz (send it requests)."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.api.http_common import admit_admin
from proxy.api.status import utc
from proxy.errors import GatewayError
from proxy.gateway import Gateway
from proxy.reload.state import State


class Health:
    """The two probes. They need no key. A configuration that was refused shows in `/readyz`; what is wrong with it only
    to who may see that."""

    def __init__(self, gateway: Gateway, state: State) -> None:
        self._gateway = gateway
        self._state = state

    async def live(self, request: Request) -> Response:
        """200 as long as the event loop runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200, or 503 once the process was told to end. A refused configuration changes nothing for clients: the one in
        use serves."""
        if self._gateway.streams.draining:
            return JSONResponse({"status": "draining"}, 503)
        body: dict[str, Any] = {"status": "ready"}
        if self._state.refused is not None:
            refused: dict[str, Any] = {"at": utc(self._state.refused.at)}
            if self._may_see(request):
                refused["problems"] = list(self._state.refused.problems)
            body["config_refused"] = refused
        return JSONResponse(body)

    def _may_see(self, request: Request) -> bool:
        try:
            admit_admin(self._gateway.version, request.scope)
        except GatewayError:
            return False
        return True
