"""Why a provider could not be reached, for the operator: the words of the operating system, the resolver or OpenSSL.

Rule: only numbers and fixed words of these three go on, because an exception's own text may hold addresses with logins
(a proxy's), and it differs between systems and libraries.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import Final

MAX_CAUSES: Final = 16
"""Exceptions that are looked at, from the outermost to the first cause."""

_HELD: Final = ("certificate_error", "os_error", "_os_error", "original_exception", "__cause__", "__context__")
"""Where exceptions keep those that they come from: aiohttp's, LiteLLM's, and all."""


def reason(error: BaseException) -> str:
    """The reason, such as `ECONNREFUSED (Connection refused)`; empty if nobody gave one."""
    return next((said for cause in _causes(error) if (said := _said(cause))), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[object] = [error]
    seen: list[object] = []
    while waiting and len(seen) < MAX_CAUSES:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and not any(cause is other for other in seen):
            seen.append(cause)
            yield cause
            waiting += [getattr(cause, name, None) for name in _HELD]
            waiting += cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()


def _said(error: BaseException) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            said = getattr(error, "verify_message", "")  # aiohttp's own subclasses have none
            return f"certificate: {said}" if said else ""
        case ssl.SSLError():
            told = getattr(error, "reason", "")
            return f"TLS: {told}" if told else ""
        case socket.gaierror(errno=int(code)):
            name = next((name for name in dir(socket) if name.startswith("EAI_") and getattr(socket, name) == code), "")
            return f"DNS: {name or code} ({_resolver(code)})"
        case OSError(errno=int(code)) if code in errno.errorcode:
            return f"{errno.errorcode[code]} ({os.strerror(code)})"
    status = getattr(error, "status", None)
    return f"the HTTP proxy answered {status}" if type(error).__name__ == "ClientHttpProxyError" else ""


def _resolver(code: int) -> str:
    words = {
        socket.EAI_NONAME: "the name is not known",
        socket.EAI_AGAIN: "the name server did not answer",
        socket.EAI_FAIL: "the name server failed",
    }
    return words.get(code, "the name could not be looked up")
