"""GET /healthz (the process answers) and /readyz (send it requests)."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.gateway import Gateway


class Health:
    """The two probes. They show nothing of the configuration and need no key."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def live(self, request: Request) -> Response:
        """200 as long as the event loop runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200, or 503 once the process was told to end."""
        if self._gateway.streams.draining:
            return JSONResponse({"status": "draining"}, 503)
        return JSONResponse({"status": "ready"})
