"""One request, watched from its arrival to its end.

Rule: whatever fails here stays here; it is logged, and the request goes on. `over` counts once, however often it is
told.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from opentelemetry.sdk.trace import ReadableSpan

from policies.events import Event
from proxy.accounting.record import AttemptRecord, Record
from proxy.config.models import Config
from proxy.formats.operations import OPERATIONS
from proxy.providers.base import Call
from proxy.streaming.observer import NO_HEADERS, Listener
from proxy.streaming.response import Scope
from proxy.telemetry import attributes, names
from proxy.telemetry.attributes import Attributes
from proxy.telemetry.content import Said, asked_messages, prompts_may_be_shown
from proxy.telemetry.context import UNKNOWN, caller, up
from proxy.telemetry.measures import Measures
from proxy.telemetry.providers import may_see_context
from proxy.telemetry.tracing import Trace, Tracer

log = logging.getLogger("sluice")

ROUTES = frozenset(route for operation in OPERATIONS for route in operation.routes)
MAX_AGENT = 256

_T = TypeVar("_T")


class Watching:
    """What the watches of one version of the configuration share. `give` takes the spans of a request that is over;
    `tracer` None: no traces. `context` and `baggage`: what of a caller's counts; `versions`: of policies, by id."""

    def __init__(
        self, config: Config, measures: Measures, tracer: Tracer | None, give: Callable[[Sequence[ReadableSpan]], None]
    ) -> None:
        self.config = config
        self.settings = config.telemetry
        self.measures = measures
        self.tracer = tracer
        self.give = give
        self.context = True
        self.baggage: tuple[str, ...] = config.telemetry.baggage
        self.versions: Mapping[str, str] = {}


class Watch:
    """An `Observer` of one request."""

    __slots__ = ("_http", "_record", "_said", "_shared", "_told", "_trace", "listener")

    def __init__(self, shared: Watching, scope: Scope, record: Record) -> None:
        self._shared = shared
        self._record = record
        self._told = False
        self._trace: Trace | None = None
        self._said: Said | None = None
        self.listener: Listener | None = None
        path = scope["path"]
        self._http = (scope["method"], scope.get("scheme", "http"), path if path in ROUTES else names.OTHER)
        _safely(self._arrived, scope, record)

    def attempt(self, attempt: AttemptRecord, call: Call) -> Mapping[str, str]:
        """See `Observer.attempt`."""
        return _safely(self._attempt, attempt, call) or NO_HEADERS

    def attempted(self, attempt: AttemptRecord) -> None:
        """See `Observer.attempted`."""
        if self._trace is not None and self._shared.tracer is not None:
            _safely(self._shared.tracer.attempted, self._trace, attempt)

    def over(self, record: Record) -> None:
        """See `Observer.over`."""
        if not self._told:
            self._told = True
            _safely(self._measure, record)
            _safely(self._export, record)

    def _arrived(self, scope: Scope, record: Record) -> None:
        shared = self._shared
        method, scheme, route = self._http
        shared.measures.arrived(method, scheme)
        if shared.tracer is None:
            return
        takes = shared.context and shared.settings.trace_context != "ignore"
        wanted = takes or shared.baggage
        found = caller(scope["headers"], trace=takes, allowed=shared.baggage) if wanted else UNKNOWN
        trace = self._trace = shared.tracer.begin(
            shared.settings, found, f"{method} {route}", _connection(scope, route, record.address)
        )
        record.trace_id, record.span_id = f"{trace.span.trace_id:032x}", f"{trace.span.span_id:016x}"
        record.sampled = trace.sampled
        if trace.sampled and shared.settings.content == "redacted":
            self._said = Said(shared.settings.content_chars)
            self.listener = self._hear

    def _hear(self, events: Sequence[Event]) -> None:
        if self._said is not None:
            _safely(self._said.hear, events)

    def _attempt(self, attempt: AttemptRecord, call: Call) -> Mapping[str, str]:
        trace, shared = self._trace, self._shared
        if trace is None or shared.tracer is None:
            return NO_HEADERS
        if self._said is not None:
            self._said.clear()
        if trace.sampled and not trace.begun:
            trace.asked = attributes.asked(call.body)
            if self._said is not None and prompts_may_be_shown(shared.config, self._record.model):
                trace.asked[names.INPUT_MESSAGES] = asked_messages(
                    call.body, shared.settings.content_chars, call.operation.texts
                )
        span = shared.tracer.attempt(trace, attempt)
        return up(span) if may_see_context(call) else NO_HEADERS

    def _measure(self, record: Record) -> None:
        self._shared.measures.over(record, *self._http)

    def _export(self, record: Record) -> None:
        trace, tracer = self._trace, self._shared.tracer
        if trace is None or tracer is None or not trace.sampled:
            return
        said: Attributes = {}
        if self._said is not None:
            said[names.OUTPUT_MESSAGES] = self._said.messages(record.finish_reasons)
        self._shared.give(tracer.spans(trace, record, said, self._shared.versions))


def _connection(scope: Scope, route: str, client: str | None) -> Attributes:
    """What the connection tells of a request, for its SERVER span."""
    method, path, scheme = scope["method"], scope["path"], scope.get("scheme", "http")
    found: Attributes = {names.HTTP_METHOD: method, names.HTTP_ROUTE: route, names.URL_SCHEME: scheme}
    found[names.URL_PATH] = path if route == path else route
    server = scope.get("server")
    if server:
        found[names.SERVER_ADDRESS] = server[0]
        if server[1] is not None:
            found[names.SERVER_PORT] = server[1]
    if client:
        found[names.CLIENT_ADDRESS] = client
    for name, value in scope["headers"]:
        if name == b"user-agent":
            found[names.USER_AGENT] = value[:MAX_AGENT].decode("latin-1")
    return found


def _safely(act: Callable[..., _T], *arguments: object) -> _T | None:
    try:
        return act(*arguments)
    except Exception as failure:
        last = failure.__traceback__
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        where = "" if last is None else f" at {last.tb_frame.f_code.co_filename}:{last.tb_lineno}"
        log.error("telemetry failed with %s%s; the request is not touched by it", type(failure).__name__, where)
        return None
