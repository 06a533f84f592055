"""Protection from web pages that can reach the gateway but must not use it.

A page may use the gateway only if its origin is in `server.cors_origins`. Without `auth`, two more rules apply. The
`Host` must be a loopback name, because a page could resolve a domain of its own to 127.0.0.1. A request must not be
forwarded, because behind a proxy on the same machine every request comes from loopback.

A body must be declared as JSON, because a page can send other types without a preflight. Pure: it sees headers as in
ASGI (lower-case names) and the configuration.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from proxy.config.fields import is_loopback
from proxy.config.models import Config
from proxy.errors import Forbidden, InvalidRequest

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

_HOST = re.compile(rb"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.IGNORECASE)
_JSON = re.compile(rb'application/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*"?utf-?8"?[ \t]*)?;?', re.IGNORECASE)
_MAX_TYPE = 256
_SIGNS = frozenset(
    {
        b"forwarded",
        b"via",
        b"cdn-loop",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-forwarded-for",
    }
    | {b"true-client-ip", b"cf-connecting-ip", b"cf-ray", b"fastly-client-ip", b"fly-client-ip", b"x-azure-clientip"}
    | {b"x-envoy-external-address", b"x-appengine-user-ip", b"x-proxyuser-ip", b"x-amz-cf-id"}
)
"""Headers that only proxies, load balancers and CDNs add, besides those that begin with `x-forwarded-`."""


def check_origin(method: str, headers: Headers, config: Config) -> None:
    """Reject a request that a foreign web page may have sent.

    Raises `Forbidden`, or `InvalidRequest` (415) for a POST with a body that is not declared as JSON.
    """
    found = _found(headers)
    if config.auth is None and (sign := forwarded(headers)) is not None:
        raise Forbidden(
            f"A proxy forwarded this request (it has the header {sign[:64]}), and without keys the gateway serves this "
            "machine alone: have the operator set `auth.keys`.",
            code="forwarded_without_keys",
        )
    if config.auth is None and not _is_local(found[b"host"]):
        raise Forbidden(
            "Without keys the gateway answers only to loopback names such as localhost or 127.0.0.1: "
            "use one, or have the operator set `auth.keys`.",
            code="host_not_allowed",
        )
    if found[b"origin"] and not _is_allowed(found[b"origin"], config.server.cors_origins):
        raise Forbidden(
            "Web pages of this origin may not use the gateway: the operator can add it to `server.cors_origins`.",
            code="origin_not_allowed",
        )
    if method == "POST" and _has_body(found) and not _is_json(found[b"content-type"]):
        raise InvalidRequest(
            "The body must be JSON in UTF-8: send one header `Content-Type: application/json`.",
            status=415,
            code="unsupported_content_type",
        )


def forwarded(headers: Headers) -> str | None:
    """Return the header that shows that a proxy forwarded the request, or None.

    A proxy that adds no such header cannot be distinguished from a client.
    """
    for name, _ in headers:
        if name in _SIGNS or name.startswith(b"x-forwarded-"):
            return name.decode("latin-1")
    return None


def _found(headers: Headers) -> dict[bytes, list[bytes]]:
    names = (b"host", b"origin", b"content-type", b"content-length", b"transfer-encoding")
    found: dict[bytes, list[bytes]] = {name: [] for name in names}
    for name, value in headers:
        if name in found:
            found[name].append(value)
    return found


def _is_local(hosts: Sequence[bytes]) -> bool:
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        return False
    name = (match[1] or match[2]).decode("ascii").lower()
    return is_loopback(name) or name.endswith(".localhost")


def _is_allowed(origins: Sequence[bytes], allowed: Sequence[str]) -> bool:
    return len(origins) == 1 and ("*" in allowed or origins[0].decode("latin-1").lower() in allowed)


def _has_body(found: dict[bytes, list[bytes]]) -> bool:
    """Return true if the request has a body or a content type. An unreadable length counts as a body."""
    lengths = found[b"content-length"]
    return bool(found[b"transfer-encoding"] or found[b"content-type"]) or any(
        not size or size.strip(b"0") for size in lengths
    )


def _is_json(types: Sequence[bytes]) -> bool:
    return len(types) == 1 and len(types[0]) <= _MAX_TYPE and bool(_JSON.fullmatch(types[0].strip()))
