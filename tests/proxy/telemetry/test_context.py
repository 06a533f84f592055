"""A trace's context in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.trace.span import TraceState

from proxy.telemetry.context import MAX_VALUE, UNKNOWN, caller, up

PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def test_a_caller_is_found_with_its_state() -> None:
    found = caller([(b"host", b"x"), PARENT, (b"tracestate", b"a=1"), (b"tracestate", b"b=2")], trace=True, allowed=())
    assert found.span is not None
    assert f"{found.span.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert found.span.trace_flags.sampled and found.span.is_remote
    assert dict(found.span.trace_state) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("bad", [b"", b"00-0-0-01", b"ff-" + PARENT[1][3:], PARENT[1].upper(), b"x" * 5000, b"\xff"])
def test_what_is_no_context_is_none(bad: bytes) -> None:
    assert caller([(b"traceparent", bad)], trace=True, allowed=()).span is None


def test_nothing_is_taken_that_was_not_asked_for() -> None:
    headers = [PARENT, (b"baggage", b"user.id=jane,session.id=s1,other=x")]
    assert caller(headers, trace=False, allowed=()).span is None
    assert not caller(headers, trace=True, allowed=()).baggage
    assert caller(headers, trace=True, allowed=("session.id", "none")).baggage == {"session.id": "s1"}
    long = caller([(b"baggage", b"a=" + b"x" * 3000)], trace=True, allowed=("a",)).baggage
    assert long == {"a": "x" * MAX_VALUE}
    assert caller([(b"host", b"x")], trace=True, allowed=("a",)) is UNKNOWN


@given(st.lists(st.tuples(st.sampled_from([b"traceparent", b"tracestate", b"baggage"]), st.binary(max_size=200))))
def test_no_header_can_break_it(headers: list[tuple[bytes, bytes]]) -> None:
    found = caller(headers, trace=True, allowed=("a",))
    assert found.span is None or found.span.is_valid
    assert set(found.baggage or {}) <= {"a"}


def test_what_goes_up_names_the_span_that_it_is_of() -> None:
    span = SpanContext(0xABC, 0xDEF, False, TraceFlags(1), TraceState([("a", "1")]))
    assert up(span) == {"traceparent": f"00-{'abc':0>32}-{'def':0>16}-01", "tracestate": "a=1"}
