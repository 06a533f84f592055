"""What LiteLLM raises, as our errors.

Theory: what a provider refuses, and what breaks on the way, ends at the exchange (`proxy.providers.exchange`), which
has the error for it. What is left is LiteLLM's own: it cannot translate the request, or it cannot read the answer.
Which of the two is known by whether there was an answer.

Rule: no message of LiteLLM's reaches a client.
"""

import re
from collections.abc import Iterator

from proxy.errors import GatewayError, InvalidRequest, UpstreamError
from proxy.providers.answer import died
from proxy.providers.base import Call
from proxy.providers.failures import failure

_DEEPEST = 12
_READ = 500
"""Characters of a message that are searched for the name of a parameter."""

_KEPT = frozenset({401, 402, 403, 429, 503, 529})
"""Statuses that an error within an answer keeps. Any other is the provider's trouble, whatever it says."""

_WRAPPER = "MidStreamFallbackError"
"""What LiteLLM puts around each failure of a stream, with a status of its own."""

_CUT = "RemoteProtocolError"
"""What LiteLLM raises for a stream that ends before its provider has said why."""

_MISTAKES = (LookupError, TypeError, ValueError, AttributeError)
_LACKS = re.compile(r"does not support param(?:eter)?s: \[['\"](\w+)['\"]|does not support (\w+)=")


def unsent(call: Call, error: BaseException) -> GatewayError:
    """The client's error for what LiteLLM raised before there was an answer."""
    chain = list(_chain(error))
    names = {type(link).__name__ for link in chain}
    if "ImageFetchError" in names:
        return InvalidRequest("An image's URL cannot be sent to this provider: send a data: URL.", param="messages")
    if "UnsupportedParamsError" in names:
        return _lacking(call, error)
    status = getattr(error, "status_code", None)
    if status == 400 or any(isinstance(link, _MISTAKES) for link in chain):
        text = f"The request cannot be translated for the provider {call.provider_name!r}: check messages and tools."
        return InvalidRequest(text, param=call.operation.texts.first)
    refused = failure(call, status if isinstance(status, int) and status >= 400 else 500, {}, b"")
    refused.provider_status = None
    return refused


def unread(call: Call, error: BaseException, *, whole: bool = False) -> UpstreamError:
    """The same for what it raised while it read an answer, a `whole` one or a stream. What the provider says there may
    quote the answer, so it is not repeated."""
    chain = [link for link in _chain(error) if type(link).__name__ != _WRAPPER]
    statuses = [getattr(link, "status_code", None) for link in chain]
    kept = next((status for status in statuses if status in _KEPT), None)
    if kept is not None:
        return failure(call, kept, {}, b"")
    if any(type(link).__name__ == _CUT for link in chain):
        return died(call.provider_name, "ended its answer before it was complete")
    text = f"The provider {call.provider_name!r} reported an error in its answer: try again."
    if whole or any(isinstance(link, _MISTAKES) for link in chain):
        text = f"The provider {call.provider_name!r} sent an answer that this gateway cannot read: try again."
        return UpstreamError(text, code="malformed_event")
    return UpstreamError(text)


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


def _lacking(call: Call, error: BaseException) -> InvalidRequest:
    found = _LACKS.search(str(error)[:_READ])
    name = found and (found[1] or found[2])
    what = f"the parameter {name!r}" if name else "one of the request's parameters"
    return InvalidRequest(
        f"The provider {call.provider_name!r} does not take {what}, or not with this value: leave it out.",
        param=name,
        code="unsupported_parameter",
    )
