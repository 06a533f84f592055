"""The section `telemetry`."""

from collections.abc import Callable

import pytest

from proxy.config.telemetry import Telemetry
from proxy.config.validation import validate

BASE = "providers: {openai: {api_key: provider-key}}\nmodels: {m: {target: openai/x}}\ntelemetry: "


def test_one_value_may_stand_for_a_list_and_off_for_off() -> None:
    found, faults = validate(Telemetry, {"traces": "otlp", "metrics": ["otlp", "prometheus"], "content": False})
    assert not faults and found is not None
    assert (found.traces, found.metrics, found.content) == (("otlp",), ("otlp", "prometheus"), "off")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{trace: otlp}", "unknown key; did you mean 'traces'?"),
        ("{traces: jaeger}", "must be 'otlp', 'console' or 'none'"),
        ("{content: full}", "must be 'off' or 'redacted'"),
        ("{sample: 2}", "must be less than or equal to 1"),
        ("{baggage: [a b]}", "must be letters"),
        ("{compat: [datadog]}", "must be 'openinference'"),
        ("{otlp: {endpoint: localhost:4318}}", "must be a URL"),
        ("{otlp: {headers: {'a b': x}}}", "must be the name of an HTTP header"),
        ('{otlp: {headers: {a: "x\\ny"}}}', "holds a line break"),
    ],
)
def test_what_is_wrong_is_refused(refusal: Callable[..., list[str]], section: str, problem: str) -> None:
    [found] = refusal(BASE + section)
    assert "telemetry" in found and problem in found
