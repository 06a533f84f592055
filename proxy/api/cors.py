"""CORS by the configuration that is in use when a request arrives."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.gateway import Gateway

EXPOSED = ("x-request-id", "x-sluice-id", "x-sluice-target", "x-sluice-config", "x-trace-id", "retry-after")


class Cors:
    """Answers preflights, and lets pages of `server.cors_origins` read what they get; nothing without origins."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway
        self._origins: tuple[str, ...] = ()
        self._inner = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = self._gateway.config.server.cors_origins
        if origins != self._origins:
            self._origins, self._inner = origins, self._allowing(origins)
        await self._inner(scope, receive, send)

    def _allowing(self, origins: tuple[str, ...]) -> ASGIApp:
        if not origins:
            return self._app
        return CORSMiddleware(
            self._app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=list(EXPOSED),
        )
