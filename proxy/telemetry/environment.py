"""The section `telemetry` and the standard `OTEL_*` variables, put together: the variables win.

Rule: what is asked for and cannot be done is a `TelemetryError` when the gateway starts, not silence. Variables that
the SDK's exporters read by themselves (headers, timeouts, certificates, compression) are left to them; a value of the
YAML is passed only where no variable stands for it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased

from proxy.config.telemetry import MetricsTo, Telemetry, TracesTo

Signal = Literal["traces", "metrics"]
Protocol = Literal["http/protobuf", "grpc"]

_N = TypeVar("_N", bound=str)

_TRACES: Mapping[str, TracesTo] = {"otlp": "otlp", "console": "console", "none": "none"}
_METRICS: Mapping[str, MetricsTo] = {"otlp": "otlp", "prometheus": "prometheus", "none": "none"}
_QUEUE, _BATCH = 2048, 512


class TelemetryError(Exception):
    """The telemetry that is asked for cannot be had; the message says which setting to change."""


@dataclass(frozen=True, slots=True)
class Otlp:
    """How one signal is exported. What is None the exporter finds by itself, in the environment or its defaults.
    `shown` is where it goes, for people."""

    protocol: Protocol
    endpoint: str | None
    headers: Mapping[str, str] | None = field(repr=False)
    timeout: float | None
    shown: str


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is exported, and how. `queue` and `batch` count spans."""

    traces: tuple[TracesTo, ...]
    metrics: tuple[MetricsTo, ...]
    otlp: Mapping[Signal, Otlp]
    queue: int
    batch: int
    takes_context: bool
    takes_baggage: bool


def plan(settings: Telemetry, environ: Mapping[str, str]) -> ExportSettings:
    """What settings and environment ask for together. Raises `TelemetryError`."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ExportSettings((), (), {}, _QUEUE, _BATCH, False, False)
    propagators = _propagators(environ)
    queue = _number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE)
    return ExportSettings(
        traces=_traces(settings, environ),
        metrics=_metrics(settings, environ),
        otlp={"traces": _otlp("traces", settings, environ), "metrics": _otlp("metrics", settings, environ)},
        queue=queue,
        batch=min(_number(environ, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _BATCH), queue),
        takes_context="tracecontext" in propagators,
        takes_baggage="baggage" in propagators,
    )


def resource(settings: Telemetry) -> Resource:
    """What describes this process: the settings, and over them OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME."""
    instance = {"service.name": settings.service_name, "service.instance.id": str(uuid.uuid4())}
    ours = Resource({**instance, **settings.resource})
    return ours.merge(OTELResourceDetector().detect())


def sampler(settings: Telemetry, environ: Mapping[str, str]) -> Sampler:
    """Which traces are kept: OTEL_TRACES_SAMPLER, else the settings' share of those that no caller has decided."""
    if environ.get("OTEL_TRACES_SAMPLER"):
        return TracerProvider(shutdown_on_exit=False).sampler
    return ParentBased(TraceIdRatioBased(settings.sample))


def _traces(settings: Telemetry, environ: Mapping[str, str]) -> tuple[TracesTo, ...]:
    if given := environ.get("OTEL_TRACES_EXPORTER"):
        return _without_none(_named("OTEL_TRACES_EXPORTER", given, _TRACES))
    if settings.traces is not None:
        return _without_none(settings.traces)
    somewhere = settings.otlp.endpoint or settings.otlp.traces_endpoint or _endpoint_given("traces", environ)
    return ("otlp",) if somewhere else ()


def _metrics(settings: Telemetry, environ: Mapping[str, str]) -> tuple[MetricsTo, ...]:
    if given := environ.get("OTEL_METRICS_EXPORTER"):
        return _without_none(_named("OTEL_METRICS_EXPORTER", given, _METRICS))
    return _without_none(settings.metrics)


def _without_none(given: tuple[_N, ...]) -> tuple[_N, ...]:
    return tuple(name for name in dict.fromkeys(given) if name != "none")


def _named(variable: str, given: str, known: Mapping[str, _N]) -> tuple[_N, ...]:
    found: list[_N] = []
    for name in (part.strip() for part in given.split(",")):
        if name not in known:
            choices = ", ".join(known)
            raise TelemetryError(f"{variable} names {name[:32]!r}: it may be {choices}, or several with commas.")
        found.append(known[name])
    return tuple(found)


def _otlp(signal: Signal, settings: Telemetry, environ: Mapping[str, str]) -> Otlp:
    upper = signal.upper()
    protocol = (
        environ.get(f"OTEL_EXPORTER_OTLP_{upper}_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or settings.otlp.protocol
    )
    if protocol not in ("http/protobuf", "grpc"):
        raise TelemetryError(f"The OTLP protocol {protocol[:32]!r} is not built in: use http/protobuf or grpc.")
    headers = {name: value.get_secret_value() for name, value in settings.otlp.headers.items()}
    endpoint = None if _endpoint_given(signal, environ) else _endpoint(signal, settings, protocol)
    return Otlp(
        protocol="grpc" if protocol == "grpc" else "http/protobuf",
        endpoint=endpoint,
        headers=None if not headers or _given(environ, upper, "HEADERS") else headers,
        timeout=None if _given(environ, upper, "TIMEOUT") else settings.otlp.timeout,
        shown=endpoint or _shown(signal, environ),
    )


def _endpoint(signal: Signal, settings: Telemetry, protocol: str) -> str | None:
    otlp = settings.otlp
    own = otlp.traces_endpoint if signal == "traces" else otlp.metrics_endpoint
    if own or otlp.endpoint is None or protocol == "grpc":
        return own or otlp.endpoint
    return f"{otlp.endpoint}/v1/{signal}"


def _shown(signal: Signal, environ: Mapping[str, str]) -> str:
    """The environment's endpoint of a signal, or the default, without what may be a password."""
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    parts = urlsplit(own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or "http://localhost:4318")
    path = parts.path if own else f"{parts.path.rstrip('/')}/v1/{signal}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _endpoint_given(signal: Signal, environ: Mapping[str, str]) -> bool:
    return _given(environ, signal.upper(), "ENDPOINT")


def _given(environ: Mapping[str, str], signal: str, what: str) -> bool:
    return bool(environ.get(f"OTEL_EXPORTER_OTLP_{signal}_{what}") or environ.get(f"OTEL_EXPORTER_OTLP_{what}"))


def _propagators(environ: Mapping[str, str]) -> frozenset[str]:
    given = environ.get("OTEL_PROPAGATORS") or "tracecontext,baggage"
    found = frozenset(part.strip() for part in given.split(",") if part.strip())
    if unknown := found - {"tracecontext", "baggage", "none"}:
        known = "tracecontext, baggage and none"
        raise TelemetryError(f"OTEL_PROPAGATORS names {sorted(unknown)[0][:32]!r}: {known} are built in.")
    return frozenset() if "none" in found else found


def _number(environ: Mapping[str, str], variable: str, default: int) -> int:
    given = environ.get(variable)
    if not given:
        return default
    if not given.isdigit() or not 0 < int(given[:9]) <= 1_000_000:
        raise TelemetryError(f"{variable} must be a whole number from 1 to 1000000.")
    return int(given)
