"""What a failure means for the next attempt."""

import pytest

from proxy.errors import GatewayError, InvalidRequest, PolicyFailed, UpstreamError, UpstreamTimeout
from proxy.routing.verdict import is_fault, verdict
from proxy.slots import Overloaded


def refused(status: int, code: str | None = None) -> UpstreamError:
    return UpstreamError("no", status=status, code=code, provider_status=status)


@pytest.mark.parametrize(
    ("error", "following", "fault"),
    [
        (UpstreamError("no", code="connect_error"), "retry", True),
        (UpstreamError("no", code="tls_error"), "retry", True),
        (UpstreamError("no", code="upstream_died"), "retry", True),
        (UpstreamError("no", code="empty_answer"), "retry", True),
        (UpstreamTimeout("no"), "retry", True),
        (UpstreamTimeout("no", code="connect_timeout"), "retry", True),
        (refused(408), "retry", False),
        (refused(409), "retry", False),
        (refused(429), "retry", False),
        (refused(500), "retry", True),
        (refused(502), "retry", True),
        (refused(503, "overloaded"), "retry", True),
        (refused(504), "retry", True),
        (refused(502, "provider_auth_error"), "move", True),
        (refused(404, "model_not_found"), "move", True),
        (refused(400, "context_length_exceeded"), "move", False),
        (refused(400), "final", False),
        (refused(413), "final", False),
        (refused(422), "final", False),
        (Overloaded("full"), "move", False),
        (InvalidRequest("no"), "final", False),
        (PolicyFailed("no"), "final", False),
        (GatewayError("no"), "final", False),
    ],
)
def test_each_failure_has_its_consequence(error: GatewayError, following: str, fault: bool) -> None:
    assert (verdict(error), is_fault(error)) == (following, fault)
