"""What a failed attempt means for the next one.

| cause of the failure (`proxy.formats.causes`) | next |
|---|---|
| `provider` (not reached, 5xx, too slow, died), `limit` (408, 409, 429) | `retry`: the same or another target |
| `length`, `route`, `model`, `key`, `account` | `move`: another target, never the same one |
| `request`, `moderation`, a policy's failure | `final`: the client gets it |

A provider that answers, whatever it says, is up: only failures of its own speak against its health (`is_fault`), and
never what a request asked for, such as an answer that is larger than this gateway takes.
"""

from typing import Literal, TypeAlias

from proxy.access.slots import Overloaded
from proxy.errors import GatewayError, KeyPaused, UpstreamError

Verdict: TypeAlias = Literal["retry", "move", "final"]

_RETRY = frozenset({"provider", "limit"})
_FINAL = frozenset({"request", "moderation"})
_ASKED_FOR = frozenset({"answer_too_large", "event_too_large", "rejected"})


def verdict(error: GatewayError) -> Verdict:
    """What may be done after an attempt that ended in `error`."""
    if isinstance(error, Overloaded | KeyPaused):
        return "move"
    if not isinstance(error, UpstreamError) or error.cause in _FINAL:
        return "final"
    return "retry" if error.cause in _RETRY else "move"


def is_fault(error: GatewayError) -> bool:
    """Whether a failure speaks against the target's health."""
    return isinstance(error, UpstreamError) and error.cause == "provider" and error.code not in _ASKED_FOR
