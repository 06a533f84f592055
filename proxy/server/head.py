"""Checks of a request's head that the parser does not make. Pure.

A head that two servers could read differently is rejected, because another server may stand in front of this one.
"""

import re
from collections.abc import Sequence

from proxy.errors import InvalidRequest

MAX_HEADERS = 128
"""Maximum number of header lines of a request, including its trailers."""

_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.]{2,64}\]|[A-Za-z0-9._~%!$&'()*+;=-]{0,255})(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)([/?].*)?", re.IGNORECASE | re.DOTALL)


def origin_form(method: bytes, version: str, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the target of a request without scheme and host.

    `headers` have lower-case names. Raises `InvalidRequest` if the head is ambiguous.
    """
    if version not in ("1.0", "1.1"):
        message = f"HTTP/{version} is not spoken here: send the request as HTTP/1.1."
        raise InvalidRequest(message, status=505, code="http_version_not_supported")
    hosts: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    if codings:
        _check_codings(version, codings)
    _check_host(version, hosts)
    if target[:1] == b"/":
        if b"#" in target:
            raise _unclear("the request's target holds a fragment (#): leave it out")
        return target
    return _without_host(method, target, hosts)


def _check_codings(version: str, codings: Sequence[bytes]) -> None:
    if version == "1.0":
        raise _unclear("HTTP/1.0 has no Transfer-Encoding: send a Content-Length, or speak HTTP/1.1")
    if len(codings) != 1 or codings[0].strip(b" \t").lower() != b"chunked":
        message = "The only supported transfer coding is one `Transfer-Encoding: chunked`: send no other."
        raise InvalidRequest(message, status=501, code="unsupported_transfer_coding")


def _check_host(version: str, hosts: Sequence[bytes]) -> None:
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise _unclear("it must have one Host header: send exactly one")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise _unclear("its Host header is not a host name or address: correct it")


def _without_host(method: bytes, target: bytes, hosts: Sequence[bytes]) -> bytes:
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or b"#" in target:
        raise _unclear("the request's target must be a path that begins with /")
    if not hosts or absolute[1].lower() != hosts[0].lower():
        raise _unclear("the request's target names another host than its Host header: make them the same")
    rest = absolute[2] or b"/"
    return rest if rest[:1] == b"/" else b"/" + rest


def _unclear(why: str) -> InvalidRequest:
    return InvalidRequest(f"The request cannot be served: {why}.", code="invalid_http")
