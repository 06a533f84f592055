"""A trace's context: taken from a caller's headers, given to providers.

Rule: what a caller sends is taken by the W3C rules or not at all; a provider gets the context of its own attempt's
span, never the caller's header and never baggage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MAX_VALUE = 256
"""Characters of a caller's value that become an attribute."""

_TRACE = TraceContextTextMapPropagator()
_BAGGAGE = W3CBaggagePropagator()
_NAMES = {b"traceparent": "traceparent", b"tracestate": "tracestate", b"baggage": "baggage"}
_NOTHING = Context()

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from. `span` is the caller's, None if it sent none that counts; `baggage` are the allowed
    entries of its baggage."""

    span: SpanContext | None = None
    baggage: Mapping[str, str] | None = None


UNKNOWN = Caller()


def caller(headers: Headers, *, trace: bool, allowed: Iterable[str]) -> Caller:
    """What a request's headers (names in lower case) say of its caller; `trace`: whether its span counts, `allowed`:
    the keys of baggage that do."""
    carrier: dict[str, str] = {}
    for name, value in headers:
        known = _NAMES.get(name)
        if known is not None:
            given = value.decode("latin-1")
            carrier[known] = f"{carrier[known]},{given}" if known in carrier else given
    if not carrier:
        return UNKNOWN
    span = get_current_span(_TRACE.extract(carrier, _NOTHING)).get_span_context() if trace else None
    return Caller(span if span is not None and span.is_valid else None, _allowed(carrier, allowed))


def up(span: SpanContext) -> dict[str, str]:
    """The headers that make a span the parent of what a provider records."""
    headers = {"traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"}
    if span.trace_state:
        headers["tracestate"] = span.trace_state.to_header()
    return headers


def _allowed(carrier: Mapping[str, str], allowed: Iterable[str]) -> dict[str, str]:
    keys = tuple(allowed)
    if not keys or "baggage" not in carrier:
        return {}
    found = baggage.get_all(_BAGGAGE.extract(carrier, _NOTHING))
    return {key: str(found[key])[:MAX_VALUE] for key in keys if key in found}
