"""What a record says of success and failure, in OpenTelemetry's terms.

Rule: a client that leaves, a cap and a request that was wrong are no failures of ours: status unset, no `error.type`.
"""

from proxy.accounting.record import Outcome, Record
from proxy.telemetry.labels import error_type
from proxy.telemetry.names import OTHER

FAILURES: frozenset[Outcome] = frozenset({"upstream_error", "timeout", "policy_error", "failed", "drained", "shed"})
"""Outcomes that count as errors."""


def own_error(record: Record) -> str:
    """The `error.type` of a request; "" when it did not fail."""
    if record.outcome not in FAILURES:
        return ""
    if record.outcome == "timeout":
        return "timeout"
    return error_type(record.error, record.status if (record.status or 0) >= 400 else None) or OTHER


def held(record: Record) -> float | None:
    """Seconds from the provider's first token to the client's first event: what policies held back of it, and our own
    work. None where either was not seen."""
    if record.first_event is None or not record.tries or record.tries[-1].first_token is None:
        return None
    last = record.tries[-1]
    return max(record.arrived + record.first_event - last.began - (last.first_token or 0), 0)


def provider_finish_reasons(record: Record) -> list[str]:
    """`gen_ai.response.finish_reasons`, by choice; `error` where the answer failed before the choice's end."""
    reasons = [record.finish_reasons[choice] for choice in sorted(record.finish_reasons)]
    if record.outcome in FAILURES and record.first_event is not None:
        return [*reasons, "error"]
    return reasons
