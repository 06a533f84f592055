"""The ASGI application: routes, lifespan, wiring; nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from policies import POLICIES
from policies.base import PolicyType
from proxy.access.bodies import Bodies
from proxy.access.connections import Connections, allowed
from proxy.access.slots import Slots
from proxy.accounting.record import Recorder, log_access
from proxy.api.admin import Admin
from proxy.api.cors import Cors
from proxy.api.endpoint import CancelOperation, OperationEndpoint
from proxy.api.health import Health
from proxy.api.http_common import id_headers, mint_id
from proxy.api.metrics import Metrics
from proxy.api.models import ModelList, ModelRetrieve
from proxy.config.models import Config
from proxy.errors import GatewayError, NotFound
from proxy.formats.openai_chat.envelope import envelope
from proxy.formats.operations import OPERATIONS
from proxy.gateway import Gateway, body_bounds
from proxy.providers.engine import LiteLLMEngine
from proxy.providers.mapping.workers import Workers
from proxy.providers.native import NativeUpstream
from proxy.providers.sending import Sender
from proxy.reload.reloader import Reloader
from proxy.reload.state import State
from proxy.routing.targets import Targets
from proxy.streaming.registry import Streams
from proxy.streaming.response import Receive, Scope, Send
from proxy.telemetry.service import Telemetry
from proxy.turns import Turns
from proxy.version import make_version

Serves: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""


def create_gateway(
    config: Config,
    *,
    policies: Mapping[str, PolicyType] = POLICIES,
    recorders: Sequence[Recorder] = (log_access,),
    version: str = "",
) -> Gateway:
    """Everything that a running gateway consists of, for `config`, whose id is `version`. Raises `TelemetryError` when
    the telemetry that it asks for cannot be had."""
    limits = config.server
    workers, turns = Workers(), Turns()
    sender = Sender(turns)
    streams = Streams(Slots(limits.max_streams, limits.max_queued, limits.queue_seconds))
    bodies, connections = Bodies(*body_bounds(config)), Connections(allowed(limits.max_streams))
    telemetry = Telemetry(config, streams.__len__)
    telemetry.follow_bodies(lambda: bodies.held)
    telemetry.follow_connections(connections.__len__, lambda: connections.closed, lambda: connections.refused)
    return Gateway(
        version=make_version(config, policies, version),
        streams=streams,
        bodies=bodies,
        connections=connections,
        targets=Targets(config.retries, limits),
        upstreams={"native": NativeUpstream(sender, workers), "litellm": LiteLLMEngine(sender, workers)},
        recorders=recorders,
        telemetry=telemetry,
        turns=turns,
    )


class Application:
    """The whole application. Operations go straight to their `endpoints`, which are by path, and all else through
    Starlette. What a framework wraps around an endpoint runs again for each chunk that it sends.

    Slashes too many in a path do not count: clients join a base URL and a path in either way, and a redirect would have
    them send their keys again.
    """

    def __init__(self, endpoints: Mapping[str, OperationEndpoint], rest: Starlette) -> None:
        self._endpoints = endpoints
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("//" in scope["path"] or scope["path"].endswith("/")):
            scope = {**scope, "path": "/" + "/".join(filter(None, scope["path"].split("/")))}
        serving: Serves = self._rest
        if scope["type"] == "http" and scope["method"] == "POST":
            serving = self._endpoints.get(scope["path"], self._rest)
        await serving(scope, receive, send)


def create_app(gateway: Gateway, reloader: Reloader | None = None) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The application that serves `gateway` and tells of `reloader`; its lifespan closes what the gateway opened."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        gateway.telemetry.start()
        try:
            yield
        finally:
            for upstream in gateway.upstreams.values():
                await upstream.aclose()
            await gateway.telemetry.aclose()

    state = State() if reloader is None else reloader.state
    gateway.telemetry.follow(lambda: state.loads, lambda: state.refusals, lambda: state.refused is not None)
    endpoints = {path: OperationEndpoint(gateway, operation) for operation in OPERATIONS for path in operation.routes}
    rest = Starlette(
        routes=_routes(gateway, endpoints, reloader),
        exception_handlers={HTTPException: _http_error, GatewayError: _gateway_error, Exception: _failure},
        lifespan=lifespan,
    )
    rest.router.redirect_slashes = False  # it would send clients, with their keys, to an address made from `Host`
    return Cors(Application(endpoints, rest), gateway)


def _routes(gateway: Gateway, endpoints: Mapping[str, OperationEndpoint], reloader: Reloader | None) -> list[BaseRoute]:
    api: list[BaseRoute] = []
    for path, endpoint in endpoints.items():
        api.append(Route(path, endpoint, methods=["POST"]))
        api.append(Route(f"{path}/{{id}}/cancel", CancelOperation(gateway), methods=["POST"]))
    for prefix in ("/v1", ""):
        api += [
            Route(f"{prefix}/models", ModelList(gateway), methods=["GET"]),
            Route(f"{prefix}/models/{{id:path}}", ModelRetrieve(gateway), methods=["GET"]),
        ]
    if gateway.telemetry.exposes_metrics:
        api.append(Route("/metrics", Metrics(gateway, gateway.telemetry.metrics).show, methods=["GET"]))
    admin = Admin(gateway, reloader)
    health = Health(gateway, State() if reloader is None else reloader.state)
    return [
        *api,
        Route("/admin/status", admin.status, methods=["GET"]),
        Route("/admin/report", admin.report, methods=["GET"]),
        Route("/admin/reload", admin.reload, methods=["POST"]),
        Route("/healthz", health.live, methods=["GET"]),
        Route("/readyz", health.ready, methods=["GET"]),
    ]


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
        failure = GatewayError(
            f"{request.method} is not for this route: use {allowed or 'another method'}.",
            status=405,
            type="invalid_request_error",
            code="method_not_allowed",
        )
        return _json(request, failure, {"allow": allowed} if allowed else {})
    return _json(
        request, NotFound(f"No route {request.url.path[:200]!r}: see /v1/chat/completions and /v1/models."), {}
    )


async def _gateway_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, GatewayError):
        raise error
    return _json(request, error, {})


async def _failure(request: Request, error: Exception) -> Response:
    message = "The gateway failed; the operator finds the cause in its log."
    return _json(request, GatewayError(message, code="internal_error"), {})


def _json(request: Request, error: GatewayError, headers: Mapping[str, str]) -> Response:
    ids = {name.decode(): value.decode("latin-1") for name, value in id_headers(request.scope, mint_id())}
    return JSONResponse(envelope(error), error.status, headers={**ids, **headers})
