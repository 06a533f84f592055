"""Instruments in Prometheus' text format, for `/metrics`.

Rule: names follow OpenTelemetry's mapping: dots become underscores, the unit is a suffix, counters end in `_total`.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from proxy.telemetry.instruments import Counter, Histogram, Instrument, Instruments, Observed, Point

_SUFFIXES = {"s": "_seconds", "By": "_bytes", "USD": "_usd"}


class Exposition(Collector):
    """What `/metrics` says: our instruments, and the process's memory, CPU and open files."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """The body and its content type, in the format that the `Accept` header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        return [_family(instrument) for instrument in self._instruments.all]


def prometheus_name(name: str, unit: str) -> str:
    """The name of an instrument there, without a counter's `_total`."""
    return name.replace(".", "_") + _SUFFIXES.get(unit, "")


def _family(instrument: Instrument) -> Metric:
    name = prometheus_name(instrument.name, instrument.unit)
    labels = [label.replace(".", "_") for label in instrument.labels]
    match instrument:
        case Histogram():
            histogram = HistogramMetricFamily(name, instrument.description, labels=labels)
            for values, point in instrument.series():
                histogram.add_metric(values, buckets=list(_buckets(instrument, point)), sum_value=point.sum)
            return histogram
        case Counter(monotonic=True) | Observed(monotonic=True):
            counter = CounterMetricFamily(name, instrument.description, labels=labels)
            for values, total in instrument.series():
                counter.add_metric(values, total)
            return counter
        case Counter() | Observed():
            gauge = GaugeMetricFamily(name, instrument.description, labels=labels)
            for values, value in instrument.series():
                gauge.add_metric(values, value)
            return gauge


def _buckets(histogram: Histogram, point: Point) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip([*map(str, histogram.bounds), "+Inf"], point.counts, strict=True):
        total += count
        yield bound, total
