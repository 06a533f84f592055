"""The queue of spans for export: limited and counted, and no request waits for it."""

import threading
import time
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from proxy.telemetry.span_queue import SpanQueue, spans_counter


class Backend(SpanExporter):
    """Takes spans once it is open."""

    def __init__(self, result: SpanExportResult = SpanExportResult.SUCCESS) -> None:
        self.open = threading.Event()
        self.result = result
        self.got = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.open.wait(10)
        self.got += len(spans)
        return self.result

    def shutdown(self) -> None:
        self.open.set()


def span() -> ReadableSpan:
    return ReadableSpan("s", SpanContext(1, 2, False, TraceFlags(1)), attributes={}, start_time=1, end_time=2)


def test_a_slow_backend_costs_spans_and_no_time() -> None:
    backend, counter = Backend(), spans_counter()
    outlet = SpanQueue(backend, 64, 8, counter)
    three = [span(), span(), span()]
    began = time.monotonic()
    for _ in range(1000):
        outlet.give(three)
    assert time.monotonic() - began < 2
    backend.open.set()
    outlet.flush()
    counts = {labels[0]: count for labels, count in counter.series()}
    assert counts["dropped"] + counts["exported"] == 3000
    assert counts["exported"] == backend.got <= 64 + 8
    outlet.give([span()])
    outlet.flush()
    assert backend.got == counts["exported"] + 1  # it goes on
    outlet.shutdown()


@pytest.mark.parametrize("result", [SpanExportResult.SUCCESS, SpanExportResult.FAILURE])
def test_what_became_of_a_span_is_counted(result: SpanExportResult) -> None:
    backend, counter = Backend(result), spans_counter()
    backend.open.set()
    outlet = SpanQueue(backend, 64, 8, counter)
    outlet.give([span(), span()])
    outlet.shutdown()
    assert dict(counter.series()) == {("exported" if result is SpanExportResult.SUCCESS else "failed",): 2}
