"""The effect of a failure on the next attempt."""

import pytest

from proxy.access.slots import Overloaded
from proxy.errors import Cause, GatewayError, InvalidRequest, KeyPaused, PolicyFailed, UpstreamError, UpstreamTimeout
from proxy.routing.verdict import is_fault, verdict


def refused(status: int, cause: Cause = "provider") -> UpstreamError:
    return UpstreamError("no", status=status, provider_status=status, cause=cause)


@pytest.mark.parametrize(
    ("error", "following", "fault"),
    [
        (UpstreamError("no", code="connect_error"), "retry", True),
        (UpstreamError("no", code="tls_error"), "retry", True),
        (UpstreamError("no", code="upstream_died"), "retry", True),
        (UpstreamError("no", code="empty_answer"), "retry", True),
        (UpstreamTimeout("no"), "retry", True),
        (UpstreamTimeout("no", code="connect_timeout"), "retry", True),
        (refused(408, "limit"), "retry", False),
        (refused(429, "limit"), "retry", False),
        (refused(500), "retry", True),
        (refused(503), "retry", True),
        (refused(502, "key"), "move", False),
        (refused(502, "account"), "move", False),
        (refused(404, "model"), "move", False),
        (refused(404, "route"), "move", False),
        (refused(400, "length"), "move", False),
        (refused(400, "request"), "final", False),
        (refused(403, "moderation"), "final", False),
        (UpstreamError("no", code="answer_too_large"), "retry", False),
        (UpstreamError("no", code="event_too_large"), "retry", False),
        (Overloaded("full"), "move", False),
        (KeyPaused("no"), "move", False),
        (InvalidRequest("no"), "final", False),
        (PolicyFailed("no"), "final", False),
        (GatewayError("no"), "final", False),
    ],
)
def test_each_failure_has_its_consequence(error: GatewayError, following: str, fault: bool) -> None:
    assert (verdict(error), is_fault(error)) == (following, fault)
