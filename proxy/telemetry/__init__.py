"""Traces and metrics of requests, in OpenTelemetry's terms; the only importer of its SDK.

Rule: nothing here may fail, delay or change a request, and nothing is done for a chunk. What is told holds no key, and
no text of prompt or answer unless `telemetry.content` says so.

Theory. A request is watched by one `Watch` (see `proxy.streaming.observer`), which keeps ids and times. When the
request is over, its spans are built from the record in one go and handed to the SDK's batch processor, and its figures
are added to instruments of our own: live spans and the SDK's instruments would cost three times as much
(docs/performance.md). The SDK does the rest: sampling, batching, OTLP.
"""
