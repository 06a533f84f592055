"""What LiteLLM raises, as our errors.

Theory: LiteLLM changes a provider's status (529 becomes 500), wraps an error up to four times, and puts request and
advice into its messages. But at the bottom of the chain is the provider's HTTP response, if there was one: that is
judged as if we had called the provider ourselves. Without a response it is either the network, seen by the class names
in the chain, or the request, which LiteLLM could not translate; that is said in our words.

Rule: no message of LiteLLM's reaches a client.
"""

import re
from collections.abc import Iterator
from typing import Any

from proxy.errors import GatewayError, InvalidRequest, UpstreamError, UpstreamTimeout
from proxy.upstreams.base import Call
from proxy.upstreams.failures import failure
from proxy.wire.jsontext import dumps

_DEEPEST = 12
_CONNECT = frozenset({"ConnectError", "ClientConnectorError", "ClientConnectorDNSError", "ConnectionRefusedError"})
_TLS = frozenset({"ClientConnectorCertificateError", "ClientConnectorSSLError", "SSLCertVerificationError", "SSLError"})
_TIMEOUT = frozenset({"Timeout", "APITimeoutError", "ReadTimeout", "ConnectTimeout", "PoolTimeout", "TimeoutError"})
_NETWORK = frozenset(
    {"ReadError", "WriteError", "RemoteProtocolError", "ServerDisconnectedError", "ClientPayloadError", "ClientOSError"}
    | {"ClientConnectionError", "ConnectionResetError", "BrokenPipeError", "TransferEncodingError"}
)
_MISTAKES = frozenset({"KeyError", "TypeError", "ValueError", "AttributeError", "IndexError", "ValidationError"})
_LACKS = re.compile(r"does not support param(?:eter)?s: \[['\"](\w+)['\"]|does not support (\w+)=")


def litellm_failure(call: Call, error: BaseException, *, begun: bool = False) -> GatewayError:
    """The client's error for what `litellm.acompletion` raised, or its stream after the answer had `begun`."""
    chain = list(_chain(error))
    response = _response(chain)
    if response is not None:
        return failure(call, *response)
    names = {type(link).__name__ for link in chain}
    network = _network_fault(call, names)
    if begun:
        return network or _reported(call, error)
    return _request_fault(call, error, names) or network or _rest(call, error, names)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it came from, outermost first."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _DEEPEST:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or any(link is other for other in seen):
            continue
        seen.append(link)
        yield link
        waiting += [getattr(link, "original_exception", None), link.__cause__, link.__context__]


def _response(chain: list[BaseException]) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body of the provider's response. (LiteLLM also makes up responses; those have no headers.)"""
    for link in reversed(chain):
        response = getattr(link, "response", None)
        status, headers = getattr(response, "status_code", None), getattr(response, "headers", None)
        if isinstance(status, int) and status >= 400 and headers:
            return status, {str(name): str(value) for name, value in headers.items()}, _body(response, chain)
    return None


def _body(response: Any, chain: list[BaseException]) -> bytes:
    try:
        return bytes(response.content)
    except Exception:  # of a streamed response that was not read; the type is httpx's
        bodies = (getattr(link, "body", None) for link in chain)
        body = next((body for body in bodies if isinstance(body, dict)), None)
        return dumps({"error": body}) if body else b""


def _request_fault(call: Call, error: BaseException, names: set[str]) -> GatewayError | None:
    if "ImageFetchError" in names:
        return InvalidRequest("An image's URL cannot be sent to this provider: send a data: URL.", param="messages")
    if "UnsupportedParamsError" in names:
        found = _LACKS.search(str(error))
        name = found and (found[1] or found[2])
        what = f"the parameter {name!r}" if name else "one of the request's parameters"
        return InvalidRequest(
            f"The provider {call.provider_name!r} does not take {what}, or not with this value: leave it out.",
            param=name,
            code="unsupported_parameter",
        )
    return None


def _network_fault(call: Call, names: set[str]) -> UpstreamError | None:
    provider = call.provider_name
    if names & _TLS:
        text = f"The provider {provider!r} has a certificate that this gateway does not trust."
        return UpstreamError(text, code="tls_error")
    if names & _TIMEOUT:
        return UpstreamTimeout(f"The provider {provider!r} did not answer in time: try again.")
    if names & _CONNECT:
        return UpstreamError(f"The provider {provider!r} could not be reached.", code="connect_error")
    if names & _NETWORK:
        text = f"The provider {provider!r} closed the connection before its answer was complete: try again."
        return UpstreamError(text, code="upstream_died")
    return None


def _reported(call: Call, error: BaseException) -> UpstreamError:
    """For an error in the stream itself. What the provider says there may quote its answer, so it is not repeated."""
    status = getattr(error, "status_code", None)
    if status in (429, 503, 529):
        return failure(call, status, {}, b"")
    return UpstreamError(f"The provider {call.provider_name!r} reported an error in its answer: try again.")


def _rest(call: Call, error: BaseException, names: set[str]) -> GatewayError:
    status = getattr(error, "status_code", None)
    if status == 400 or names & _MISTAKES:
        text = f"The request cannot be translated for the provider {call.provider_name!r}: check messages and tools."
        return InvalidRequest(text, param="messages")
    refused = failure(call, status if isinstance(status, int) else 500, {}, b"")
    refused.provider_status = None
    return refused
