"""What a failed attempt means for the next one.

| failure | next |
|---|---|
| not reached, 408, 409, 429, 5xx, overloaded, too slow, died | `retry`: the same or another target |
| 401, 403 (our credentials), 404, a prompt too long | `move`: another target, never the same one |
| any other refusal (400), a policy's failure | `final`: the client gets it |

A provider that answers, whatever it says, is up; its limits (408, 409, 429) are no fault of its own either.
"""

from typing import Literal, TypeAlias

from proxy.errors import GatewayError, UpstreamError
from proxy.slots import Overloaded

Verdict: TypeAlias = Literal["retry", "move", "final"]

_MOVE = frozenset({"provider_auth_error", "model_not_found", "context_length_exceeded"})
_LIMITS = frozenset({408, 409, 429})


def verdict(error: GatewayError) -> Verdict:
    """What may be done after an attempt that ended in `error`."""
    if isinstance(error, Overloaded):
        return "move"
    if not isinstance(error, UpstreamError):
        return "final"
    if error.code in _MOVE:
        return "move"
    return "retry" if error.status >= 500 or error.status in _LIMITS else "final"


def is_fault(error: GatewayError) -> bool:
    """Whether a failure speaks against the target's health."""
    if not isinstance(error, UpstreamError):
        return False
    return error.status >= 500 or error.code == "model_not_found"
