"""Settings and environment combined. The variables override."""

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from proxy.telemetry.environment import TelemetryError, plan, resource, sampler
from proxy.telemetry.exporters import metric_exporter, span_exporter
from tests.proxy.telemetry.served import config

BASE = "http://collector:4318"


def settings(text: str = "{}"):  # type: ignore[no-untyped-def]
    return config(text).telemetry


@pytest.mark.parametrize(
    ("yaml", "environ", "traces", "metrics"),
    [
        ("{}", {}, (), ("prometheus",)),
        ("{otlp: {endpoint: 'http://c:4318'}}", {}, ("otlp",), ("prometheus",)),
        ("{otlp: {endpoint: 'http://c:4318'}, traces: none}", {}, (), ("prometheus",)),
        ("{}", {"OTEL_EXPORTER_OTLP_ENDPOINT": BASE}, ("otlp",), ("prometheus",)),
        ("{}", {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": BASE}, (), ("prometheus",)),
        ("{traces: console, metrics: none}", {}, ("console",), ()),
        ("{traces: console}", {"OTEL_TRACES_EXPORTER": "none"}, (), ("prometheus",)),
        ("{traces: none}", {"OTEL_TRACES_EXPORTER": "otlp, console"}, ("otlp", "console"), ("prometheus",)),
        ("{metrics: [otlp, prometheus]}", {}, (), ("otlp", "prometheus")),
        ("{metrics: prometheus}", {"OTEL_METRICS_EXPORTER": "otlp"}, (), ("otlp",)),
        ("{traces: otlp}", {"OTEL_SDK_DISABLED": "true"}, (), ()),
    ],
)
def test_what_is_exported(
    yaml: str, environ: dict[str, str], traces: tuple[str, ...], metrics: tuple[str, ...]
) -> None:
    found = plan(settings(yaml), environ)
    assert (found.traces, found.metrics) == (traces, metrics)


@pytest.mark.parametrize(
    ("yaml", "environ", "traces", "metrics"),
    [
        ("{endpoint: 'http://c:1/'}", {}, "http://c:1/v1/traces", "http://c:1/v1/metrics"),
        ("{endpoint: 'http://c:1', traces_endpoint: 'http://d/x'}", {}, "http://d/x", "http://c:1/v1/metrics"),
        ("{endpoint: 'http://c:1'}", {"OTEL_EXPORTER_OTLP_ENDPOINT": BASE}, None, None),
        ("{endpoint: 'http://c:1'}", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": BASE}, None, "http://c:1/v1/metrics"),
        ("{endpoint: 'http://c:1', protocol: grpc}", {}, "http://c:1", "http://c:1"),
    ],
)
def test_where_each_signal_goes(yaml: str, environ: dict[str, str], traces: str | None, metrics: str | None) -> None:
    found = plan(settings(f"{{otlp: {yaml}}}"), environ)
    assert (found.otlp["traces"].endpoint, found.otlp["metrics"].endpoint) == (traces, metrics)


def test_headers_and_timeout_of_the_environment_win() -> None:
    given = settings("{otlp: {endpoint: 'http://c:1', headers: {Authorization: 'Bearer s3cret'}, timeout: 3}}")
    mine, theirs = plan(given, {}).otlp["traces"], plan(given, {"OTEL_EXPORTER_OTLP_HEADERS": "a=b"}).otlp["traces"]
    assert (mine.headers, mine.timeout) == ({"authorization": "Bearer s3cret"}, 3)
    assert theirs.headers is None
    assert plan(given, {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "9"}).otlp["traces"].timeout is None
    assert "s3cret" not in repr((given, mine))


def test_the_exporters_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings("{traces: otlp, otlp: {endpoint: 'http://c:1', headers: {x-a: b}}}")
    exporter = span_exporter("otlp", plan(given, {}))
    assert exporter._endpoint == "http://c:1/v1/traces"  # type: ignore[attr-defined]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://env:1/otlp")
    environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://env:1/otlp"}
    assert span_exporter("otlp", plan(given, environ))._endpoint == "http://env:1/otlp"  # type: ignore[attr-defined]
    metrics = metric_exporter(plan(given, environ))
    assert metrics._endpoint == "http://c:1/v1/metrics"  # type: ignore[attr-defined]


def test_a_password_in_an_endpoint_is_not_shown() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://user:s3cret@c:4318/base/?key=s3cret"}
    assert plan(settings(), environ).otlp["traces"].shown == "https://c:4318/base/v1/traces"


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "console"}, "OTEL_METRICS_EXPORTER"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "http/protobuf"),
        ({"OTEL_PROPAGATORS": "b3"}, "OTEL_PROPAGATORS"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "many"}, "OTEL_BSP_MAX_QUEUE_SIZE"),
    ],
)
def test_what_cannot_be_had_is_said_by_name(environ: dict[str, str], names: str) -> None:
    with pytest.raises(TelemetryError, match=names):
        plan(settings(), environ)


def test_propagators() -> None:
    both = plan(settings(), {})
    one, none = plan(settings(), {"OTEL_PROPAGATORS": "tracecontext"}), plan(settings(), {"OTEL_PROPAGATORS": "none"})
    assert (both.takes_context, both.takes_baggage) == (True, True)
    assert (one.takes_context, one.takes_baggage) == (True, False)
    assert (none.takes_context, none.takes_baggage) == (False, False)


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings("{service_name: mine, resource: {deployment.environment.name: prod, team: a}}")
    found = dict(resource(given).attributes)
    assert (found["service.name"], found["deployment.environment.name"]) == ("mine", "prod")
    assert found["service.instance.id"]
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=b")
    found = dict(resource(given).attributes)
    assert (found["service.name"], found["team"]) == ("theirs", "b")


def test_the_environment_chooses_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "0.25" in sampler(settings("{sample: 0.25}"), {}).get_description()
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert sampler(settings(), {"OTEL_TRACES_SAMPLER": "always_off"}) is ALWAYS_OFF
    assert isinstance(sampler(settings(), {}), ParentBased)
