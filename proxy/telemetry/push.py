"""Instruments as OTLP metrics, pushed by a thread of their own."""

import logging
import os
import threading
import time
from collections.abc import Iterator

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from proxy.telemetry.instruments import Counter, Histogram, Instrument, Instruments, Labels
from proxy.telemetry.names import L_RESULT, M_PUSHES

log = logging.getLogger("sluice")

SCOPE = InstrumentationScope("sluice")
_CUMULATIVE = AggregationTemporality.CUMULATIVE


class MetricPush:
    """Exports all instruments every `OTEL_METRIC_EXPORT_INTERVAL` milliseconds (60,000), and once more at the end."""

    def __init__(self, exporter: MetricExporter, instruments: Instruments, resource: Resource) -> None:
        self._exporter = exporter
        self._instruments = instruments
        self._resource = resource
        self._pushes = Counter(M_PUSHES, "{push}", "Exports of metrics over OTLP, by result.", (L_RESULT,))
        instruments.add(self._pushes)
        self._ending = threading.Event()
        self._interval = _interval()
        self._thread = threading.Thread(target=self._run, name="sluice-metrics", daemon=True)
        self._thread.start()

    def push(self) -> bool:
        """Export now; whether it was taken."""
        data = metrics_data(self._instruments, self._resource)
        try:
            taken = self._exporter.export(data) is MetricExportResult.SUCCESS
        except Exception as failure:
            log.warning("metrics were not exported: %s", type(failure).__name__)
            taken = False
        self._pushes.add(1, "exported" if taken else "failed")
        return taken

    def shutdown(self) -> None:
        """Export what is left and end; takes as long as the exporter does."""
        self._ending.set()
        self._thread.join()
        self._exporter.shutdown()

    def abandon(self) -> None:
        """Stop waiting for the backend."""
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._ending.wait(self._interval):
            self.push()
        self.push()


def metrics_data(instruments: Instruments, resource: Resource) -> MetricsData:
    """All instruments as the SDK's exporters take them."""
    now = time.time_ns()
    metrics = [_metric(instrument, instruments.started, now) for instrument in instruments.all]
    scope = ScopeMetrics(scope=SCOPE, metrics=[metric for metric in metrics if metric.data.data_points], schema_url="")
    return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


def _metric(instrument: Instrument, started: int, now: int) -> Metric:
    data: Sum | HistogramData
    if isinstance(instrument, Histogram):
        data = HistogramData(list(_histogram_points(instrument, started, now)), _CUMULATIVE)
    else:
        points = [
            NumberDataPoint(_attributes(instrument, labels), started, now, value)
            for labels, value in instrument.series()
        ]
        data = Sum(points, _CUMULATIVE, instrument.monotonic)
    return Metric(name=instrument.name, description=instrument.description, unit=instrument.unit, data=data)


def _histogram_points(histogram: Histogram, started: int, now: int) -> Iterator[HistogramDataPoint]:
    for labels, point in histogram.series():
        yield HistogramDataPoint(
            attributes=_attributes(histogram, labels),
            start_time_unix_nano=started,
            time_unix_nano=now,
            count=point.count,
            sum=point.sum,
            bucket_counts=point.counts,
            explicit_bounds=histogram.bounds,
            min=point.least,
            max=point.most,
        )


def _attributes(instrument: Instrument, labels: Labels) -> dict[str, str]:
    return {name: value for name, value in zip(instrument.labels, labels, strict=True) if value}


def _interval() -> float:
    try:
        return max(float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or 60_000), 100) / 1000
    except ValueError:
        return 60.0
