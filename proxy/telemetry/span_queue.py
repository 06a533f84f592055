"""Where finished spans go: the SDK's batch processor, with a bound, and a count of what became of each span.

Rule: handing over never waits. A span that finds the queue full is dropped and counted; so is one that the backend did
not take.
"""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from proxy.telemetry.instruments import Counter
from proxy.telemetry.names import L_RESULT, M_SPANS


def spans_counter() -> Counter:
    """Counts spans by what became of them."""
    return Counter(
        M_SPANS, "{span}", "Spans, by whether they were exported, failed, or dropped before that.", (L_RESULT,)
    )


class SpanQueue:
    """Batches spans for one exporter. `most` are in its queue at once, `batch` in one export."""

    def __init__(self, exporter: SpanExporter, most: int, batch: int, counter: Counter) -> None:
        self._counting = _Counting(exporter, counter)
        self._most = most
        self._counter = counter
        self._given = 0
        self._processor = BatchSpanProcessor(self._counting, max_queue_size=most, max_export_batch_size=batch)

    def give(self, spans: Sequence[ReadableSpan]) -> None:
        """Take spans that are over; drop them when the backend is too slow."""
        if self._given + len(spans) - self._counting.taken > self._most:
            self._counter.add(len(spans), "dropped")
            return
        self._given += len(spans)
        for span in spans:
            self._processor.on_end(span)

    def flush(self) -> None:
        """Export what is waiting; takes as long as the exporter does."""
        self._processor.force_flush()

    def shutdown(self) -> None:
        """Export what is left and end; the same. `abandon` from another thread cuts it short."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def abandon(self) -> None:
        """Stop waiting for the backend."""
        self._counting.shutdown()


class _Counting(SpanExporter):
    """An exporter that counts. `taken` grows as spans leave the queue."""

    def __init__(self, exporter: SpanExporter, counter: Counter) -> None:
        self._exporter = exporter
        self._counter = counter
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._counter.add(len(spans), "exported" if result is SpanExportResult.SUCCESS else "failed")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
