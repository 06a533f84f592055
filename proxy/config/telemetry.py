"""The section `telemetry`: what is told of requests, and to whom.

Rule: the standard `OTEL_*` variables win over what stands here; `proxy.telemetry.environment` puts the two together.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from proxy.config.fields import BaseUrl, NotBool, Seconds
from proxy.config.strict import Strict

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


def _off(value: Any) -> Any:
    """A bare `off` is false in YAML."""
    return "off" if value is False else value


def _several(value: Any) -> Any:
    """One value may stand for a list of one."""
    return (value,) if isinstance(value, str) else value


def _attribute(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise ValueError("must be letters, digits, '.', '_' and '-', such as session.id")
    return name


def _header(name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise ValueError("must be the name of an HTTP header")
    return name.lower()


def _line(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x20-\x7e]{1,4096}", value.get_secret_value()):
        raise ValueError("holds a line break or a character beyond ASCII: check how it was pasted")
    return value


AttributeName = Annotated[str, AfterValidator(_attribute)]
HeaderName = Annotated[str, AfterValidator(_header)]
HeaderValue = Annotated[SecretStr, AfterValidator(_line)]
TracesTo = Literal["otlp", "console", "none"]
MetricsTo = Literal["prometheus", "otlp", "none"]
Compat = Literal["openinference", "langfuse", "signoz"]


class Otlp(Strict):
    """Where OTLP goes: `endpoint` is the base of both signals (`/v1/traces` and `/v1/metrics` are added),
    `traces_endpoint` and `metrics_endpoint` are full URLs that go before it. `timeout` is for one export."""

    endpoint: BaseUrl | None = None
    traces_endpoint: BaseUrl | None = None
    metrics_endpoint: BaseUrl | None = None
    protocol: Literal["http/protobuf", "grpc"] = "http/protobuf"
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, repr=False)
    timeout: Seconds = 5


class Telemetry(Strict):
    """`traces` None: `otlp` if an OTLP endpoint is known, else none. `metrics` are on `/metrics`, pushed, or both.

    `sample` is the share of traces that are kept where the caller has not decided. `content: redacted` puts messages on
    the spans, after the policies, each text cut to `content_chars`. `trace_context` says what a caller's context is to
    us; of its baggage the keys in `baggage` become attributes. `compat` adds what single backends want spelled their
    way."""

    service_name: Annotated[str, Field(min_length=1, max_length=128)] = "sluice"
    resource: dict[AttributeName, str] = Field(default_factory=dict)
    traces: (
        Annotated[
            tuple[TracesTo, ...], BeforeValidator(_several, json_schema_input_type=TracesTo | tuple[TracesTo, ...])
        ]
        | None
    ) = None
    metrics: Annotated[
        tuple[MetricsTo, ...], BeforeValidator(_several, json_schema_input_type=MetricsTo | tuple[MetricsTo, ...])
    ] = ("prometheus",)
    otlp: Otlp = Otlp()
    sample: Annotated[float, NotBool, Field(ge=0, le=1)] = 1
    content: Annotated[
        Literal["off", "redacted"],
        BeforeValidator(_off, json_schema_input_type=Literal["off", "redacted", False]),
    ] = "off"
    content_chars: Annotated[int, NotBool, Field(ge=1, le=1_000_000)] = 8192
    trace_context: Literal["parent", "link", "ignore"] = "parent"
    baggage: Annotated[tuple[AttributeName, ...], Field(max_length=16)] = ()
    compat: tuple[Compat, ...] = ()
