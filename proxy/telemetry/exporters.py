"""The SDK's exporters, as a plan asks for them.

OTLP's are imported by those who ask for them: they take a tenth of a second, and the gRPC ones are an extra.
"""

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from proxy.config.telemetry import TracesTo
from proxy.telemetry.environment import ExportSettings, Otlp, TelemetryError

_NO_GRPC = "OTLP over gRPC needs more: pip install 'sluice-gateway[grpc]', or use the protocol http/protobuf."


def span_exporter(kind: TracesTo, plan: ExportSettings) -> SpanExporter:
    """An exporter of spans. Raises `TelemetryError`."""
    if kind == "console":
        return ConsoleSpanExporter()
    otlp = plan.otlp["traces"]
    if otlp.protocol == "grpc":
        return _grpc_spans(otlp)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=otlp.endpoint, headers=_headers(otlp), timeout=otlp.timeout)


def metric_exporter(plan: ExportSettings) -> MetricExporter:
    """An exporter of metrics. Raises `TelemetryError`."""
    otlp = plan.otlp["metrics"]
    if otlp.protocol == "grpc":
        return _grpc_metrics(otlp)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(endpoint=otlp.endpoint, headers=_headers(otlp), timeout=otlp.timeout)


def _grpc_spans(otlp: Otlp) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise TelemetryError(_NO_GRPC) from None
    exporter: SpanExporter = trace_exporter.OTLPSpanExporter(
        endpoint=otlp.endpoint, headers=_headers(otlp), timeout=otlp.timeout
    )
    return exporter


def _grpc_metrics(otlp: Otlp) -> MetricExporter:
    try:
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc
    except ImportError:
        raise TelemetryError(_NO_GRPC) from None
    exporter: MetricExporter = grpc.OTLPMetricExporter(
        endpoint=otlp.endpoint, headers=_headers(otlp), timeout=otlp.timeout
    )
    return exporter


def _headers(otlp: Otlp) -> dict[str, str] | None:
    return None if otlp.headers is None else dict(otlp.headers)
