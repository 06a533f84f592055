"""One span, and one export of metrics, sent right now: whether the backends take them, and what is wrong if not.

Rule: each is tried once. The exporters would try again for seconds, and tell the person who waits nothing new.
"""

import logging
import os
import random
import re
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from proxy.config.models import Config
from proxy.config.telemetry import TracesTo
from proxy.telemetry import environment
from proxy.telemetry.environment import ExportSettings
from proxy.telemetry.exporters import metric_exporter, span_exporter
from proxy.telemetry.instruments import Counter, Instruments
from proxy.telemetry.push import metrics_data
from proxy.telemetry.tracing import SCOPE

NAME = "sluice telemetry test"
_MAX_LENGTH = 300
_TRANSIENT = re.compile(r"Transient error (.*) encountered while exporting ")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one export; `said` tells it to a person."""

    good: bool
    said: str


def check(config: Config, environ: Mapping[str, str] = os.environ) -> Iterator[Result]:
    """Try all that the configuration exports to. Raises `TelemetryError`."""
    plan = environment.plan(config.telemetry, environ)
    resource = environment.resource(config.telemetry)
    for kind in plan.traces:
        yield _span(kind, plan, resource)
    if not plan.traces:
        yield Result(True, "traces: none are exported (set telemetry.traces, or OTEL_EXPORTER_OTLP_ENDPOINT)")
    if "otlp" in plan.metrics:
        yield _metrics(plan, resource)
    if "prometheus" in plan.metrics:
        yield Result(True, "metrics: on /metrics of the running gateway")


def _span(kind: TracesTo, plan: ExportSettings, resource: Resource) -> Result:
    trace_id, now = random.getrandbits(128) or 1, time.time_ns()
    context = SpanContext(trace_id, random.getrandbits(64) or 1, False, TraceFlags(TraceFlags.SAMPLED))
    span = ReadableSpan(
        NAME,
        context,
        resource=resource,
        attributes={},
        kind=SpanKind.INTERNAL,
        start_time=now - 1_000_000,
        end_time=now,
        instrumentation_scope=SCOPE,
    )
    exporter = span_exporter(kind, plan)
    with _Listening(exporter.shutdown) as heard:
        taken = exporter.export([span]) is SpanExportResult.SUCCESS
    where = plan.otlp["traces"].shown if kind == "otlp" else "the console"
    if taken:
        return Result(True, f"traces: one span was taken by {where}; its trace id is {trace_id:032x}")
    return Result(False, f"traces: {where} did not take a span: {heard.told}")


def _metrics(plan: ExportSettings, resource: Resource) -> Result:
    instruments = Instruments()
    tests = Counter("sluice.telemetry.tests", "{test}", "Runs of `sluice telemetry test`.")
    tests.add(1)
    instruments.add(tests)
    exporter = metric_exporter(plan)
    with _Listening(exporter.shutdown) as heard:
        taken = exporter.export(metrics_data(instruments, resource)) is MetricExportResult.SUCCESS
    where = plan.otlp["metrics"].shown
    if taken:
        return Result(True, f"metrics: one was taken by {where}")
    return Result(False, f"metrics: {where} did not take them: {heard.told}")


class _Listening(logging.Handler):
    """Hears what the SDK logs: its exporters tell nothing else of why they failed. `stop` ends the exporter: at its
    first complaint, at the latest with the block."""

    def __init__(self, stop: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._heard = ""
        self._stop = stop
        self._logger = logging.getLogger("opentelemetry")

    @property
    def told(self) -> str:
        """The first thing that it said."""
        return self._heard or "it did not say why"

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the logger, in the exporter's own thread."""
        if not self._heard:
            self._heard = _in_short(record.getMessage())
            self._stop()

    def __enter__(self) -> "_Listening":
        self._propagates, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._heard:
            self._stop()
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagates


def _in_short(said: str) -> str:
    if "Connection refused" in said:
        return "connection refused: does a collector listen there?"
    found = _TRANSIENT.match(said)
    return textwrap.shorten(found[1] if found else said, _MAX_LENGTH, placeholder=" …")
