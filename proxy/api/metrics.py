"""GET /metrics: the gateway's metrics in Prometheus' format. With `auth` it needs an admin key."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from proxy.api.http_common import admit
from proxy.errors import Forbidden
from proxy.gateway import Gateway


class Metrics:
    """The endpoint; `read` gives body and content type for an `Accept` header."""

    def __init__(self, gateway: Gateway, read: Callable[[str], Awaitable[tuple[bytes, str]]]) -> None:
        self._gateway = gateway
        self._read = read

    async def show(self, request: Request) -> Response:
        """All metrics of this process."""
        if not admit(self._gateway.version, request.scope).admin:
            raise Forbidden("Metrics need an admin key: have the operator set `admin: true` on a key of `auth.keys`.")
        body, content_type = await self._read(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})
