"""The spans of a request: SERVER -> CLIENT `chat {model}` -> one CLIENT span an attempt.

Rule: three spans for a request with one attempt, whatever its answer's length; one for a request that no provider was
asked. Each ends once. What goes up to a provider is the context of its attempt's span.

Theory. While the request runs there are only ids and times: that is all that a context needs. The spans are made of the
record when it is over, ready to be exported, because a span that is filled as it goes costs 30 µs and one that is made
whole 3. Times within a request are taken from one monotonic clock, set against the time of day at its arrival.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from proxy.accounting.record import AttemptRecord, Record
from proxy.config.telemetry import Telemetry
from proxy.telemetry import attributes, names
from proxy.telemetry.attributes import Attributes
from proxy.telemetry.context import Caller
from proxy.telemetry.outcomes import own_error

SCOPE = InstrumentationScope("sluice")
_ROOT = Context()
_KEPT, _LEFT = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)
_UNSET, _FAILED = Status(StatusCode.UNSET), Status(StatusCode.ERROR)


@dataclass(slots=True)
class Begun:
    """An attempt that was made. `ended` is on the monotonic clock, None while it runs."""

    attempt: AttemptRecord
    span: SpanContext
    ended: float | None = None


@dataclass(slots=True)
class Trace:
    """A request's trace as long as it runs. `span` is the SERVER span's context, `wall` the nanoseconds of its begin;
    `known` and `asked` are attributes that are known before the end: of the SERVER span, and of the chat span."""

    settings: Telemetry
    span: SpanContext
    caller: Caller
    wall: int
    known: Attributes
    asked: Attributes = field(default_factory=dict)
    chat: SpanContext | None = None
    begun: list[Begun] = field(default_factory=list)

    @property
    def sampled(self) -> bool:
        """Whether it is kept."""
        return self.span.trace_flags.sampled


class Tracer:
    """Begins traces, and makes spans of those that are over."""

    def __init__(self, resource: Resource, sampler: Sampler) -> None:
        self._resource = resource
        self._sampler = sampler
        self._longest = SpanLimits().max_span_attribute_length
        self._random = random.Random()

    def begin(self, settings: Telemetry, caller: Caller, name: str, known: Attributes) -> Trace:
        """A request has arrived; `name` is its SERVER span's."""
        parent = caller.span if settings.trace_context == "parent" else None
        context = _ROOT if parent is None else set_span_in_context(NonRecordingSpan(parent), _ROOT)
        trace_id = self._random.getrandbits(128) or 1 if parent is None else parent.trace_id
        decided = self._sampler.should_sample(context, trace_id, name, SpanKind.SERVER, known)
        flags = _KEPT if decided.decision is Decision.RECORD_AND_SAMPLE else _LEFT
        span = SpanContext(trace_id, self._id(), False, flags, decided.trace_state)
        return Trace(settings, span, caller, time.time_ns(), known)

    def attempt(self, trace: Trace, attempt: AttemptRecord) -> SpanContext:
        """An attempt begins; the context of its span."""
        if trace.chat is None:
            trace.chat = self._below(trace.span)
        begun = Begun(attempt, self._below(trace.span))
        trace.begun.append(begun)
        return begun.span

    def attempted(self, trace: Trace, attempt: AttemptRecord) -> None:
        """An attempt is over."""
        for begun in trace.begun:
            if begun.attempt is attempt and begun.ended is None:
                begun.ended = time.monotonic()

    def spans(self, trace: Trace, record: Record, said: Attributes, versions: Mapping[str, str]) -> list[ReadableSpan]:
        """The spans of a trace that is over, children first. `said` are attributes of the chat span beside the
        record's, `versions` the policies' own by id."""
        error = own_error(record)
        sketches: list[Sketch] = []
        if trace.chat is not None and record.tries:
            sketches += [_attempt(begun, trace.chat, record) for begun in trace.begun]
            sketches.append(_chat(trace, trace.chat, record, {**trace.asked, **said}))
            sketches[-1].events = _events(trace, record, versions)
            sketches[-1].error = error
        sketches.append(_server(trace, record))
        sketches[-1].error = error
        return [self._made(sketch, trace.wall, record.arrived) for sketch in sketches]

    def _made(self, sketch: "Sketch", wall: int, arrived: float) -> ReadableSpan:
        began, ended = sketch.times
        found = sketch.attributes
        if self._longest is not None:
            found = {name: value[: self._longest] if type(value) is str else value for name, value in found.items()}
        return ReadableSpan(
            sketch.name,
            sketch.context,
            sketch.parent,
            self._resource,
            found,
            sketch.events,
            sketch.links,
            sketch.kind,
            status=_FAILED if sketch.error else _UNSET,
            start_time=_at(began, wall, arrived),
            end_time=_at(max(began, ended), wall, arrived),
            instrumentation_scope=SCOPE,
        )

    def _below(self, parent: SpanContext) -> SpanContext:
        return SpanContext(parent.trace_id, self._id(), False, parent.trace_flags, parent.trace_state)

    def _id(self) -> int:
        return self._random.getrandbits(64) or 1


@dataclass(slots=True)
class Sketch:
    """A span to be. `times` are on the monotonic clock; `error` is "" when it did not fail."""

    name: str
    context: SpanContext
    parent: SpanContext | None
    attributes: Attributes
    times: tuple[float, float]
    error: str = ""
    kind: SpanKind = SpanKind.CLIENT
    links: tuple[Link, ...] = ()
    events: tuple[Event, ...] = ()


def _server(trace: Trace, record: Record) -> Sketch:
    settings, caller = trace.settings, trace.caller.span
    found = {**_baggage(trace.caller), **trace.known, **attributes.server(record, settings.compat)}
    sketch = Sketch(
        f"{found[names.HTTP_METHOD]} {found[names.HTTP_ROUTE]}",
        trace.span,
        caller if settings.trace_context == "parent" else None,
        found,
        (record.arrived, record.arrived + record.duration),
        kind=SpanKind.SERVER,
    )
    if settings.trace_context == "link" and caller is not None:
        found[names.CALLER_TRACE] = f"{caller.trace_id:032x}"
        sketch.links = (Link(caller),)
    return sketch


def _chat(trace: Trace, span: SpanContext, record: Record, more: Attributes) -> Sketch:
    compat = trace.settings.compat
    found = {**_baggage(trace.caller), **more, **attributes.chat(record, compat)}
    if "langfuse" in compat and record.first_event is not None:
        found[names.LANGFUSE_STARTED] = _time_of_day(trace.wall + int(record.first_event * 1e9))
    return Sketch(
        f"{found[names.OPERATION]} {found[names.REQUEST_MODEL]}",
        span,
        trace.span,
        found,
        (record.tries[0].began, record.arrived + record.duration),
    )


def _events(trace: Trace, record: Record, versions: Mapping[str, str]) -> tuple[Event, ...]:
    if not record.notes:
        return ()
    end = _at(record.arrived + record.duration, trace.wall, record.arrived)
    return tuple(Event(name, told, end) for name, told in attributes.policy_events(record.acted(), versions))


def _attempt(begun: Begun, parent: SpanContext, record: Record) -> Sketch:
    made = begun.attempt
    found = attributes.attempt(made)
    ended = begun.ended if begun.ended is not None else record.arrived + record.duration
    return Sketch(
        f"attempt {made.provider}",
        begun.span,
        parent,
        found,
        (made.began, ended),
        error=str(found.get(names.ERROR_TYPE, "")),
    )


def _at(moment: float, wall: int, arrived: float) -> int:
    """The time of day of a moment of the monotonic clock, in nanoseconds."""
    return wall + int((moment - arrived) * 1e9)


def _time_of_day(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds")


def _baggage(caller: Caller) -> Mapping[str, str]:
    return caller.baggage or {}
