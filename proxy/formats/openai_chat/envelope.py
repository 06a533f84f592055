"""A `GatewayError` as clients get it: OpenAI's error envelope, and the headers that go with it. Pure.

Rule: statuses, types and codes are OpenAI's, so that its SDKs raise their own exception classes.
"""

import math
from typing import Any

from proxy.errors import GatewayError

_MAX_WAIT = 86_400


def envelope(error: GatewayError) -> dict[str, Any]:
    """{"error": {"message", "type", "param", "code"}}, with every member there."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def error_headers(error: GatewayError, *, no_retry: bool = False) -> list[tuple[bytes, bytes]]:
    """The error's own response headers. `no_retry` tells the client's SDK not to try again: the gateway has."""
    found: list[tuple[bytes, bytes]] = []
    if error.retry_after is not None and math.isfinite(error.retry_after):
        seconds = math.ceil(min(max(error.retry_after, 0), _MAX_WAIT))
        found.append((b"retry-after", str(seconds).encode()))
    if error.status == 401:
        found.append((b"www-authenticate", b"Bearer"))
    if no_retry:
        found.append((b"x-should-retry", b"false"))
    return found
