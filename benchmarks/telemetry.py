"""Cost of telemetry: `scripts/bench telemetry`.

Times are CPU time of this process in microseconds for each request, the minimum of several rounds. `on the way` is the
event loop's share. `export` is the exporting thread's share for encoding and compressing, without sending.
"""

import time
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from policies.events import Note, Usage
from policies.prices import Price
from proxy.accounting.ledger import Bill
from proxy.accounting.record import AttemptRecord, Record
from proxy.config.load import parse
from proxy.formats.openai_chat.operation import CHAT
from proxy.providers.base import Call
from proxy.streaming.observer import Observer
from proxy.telemetry.service import Telemetry

ROUNDS, REQUESTS = 7, 2000
CONFIG = """
providers: {openai: {api_key: provider-key}}
models: {alias: {target: openai/gpt-4o-mini}}
telemetry: TELEMETRY
"""
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "scheme": "http",
    "server": ("127.0.0.1", 8080),
    "client": ("127.0.0.1", 50000),
    "headers": [
        *[(b"host", b"localhost"), (b"user-agent", b"OpenAI/Python 2.20"), (b"content-type", b"application/json")],
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ],
}
USAGE = Usage(1000, 500, cached=200, reasoning=100)
BILL = Bill(USAGE, "reported", "reported", Price(1, 2).cost(USAGE))
NOTES = [Note("redact/pii", "redact", rule, 0, "content", 1, 50) for rule in ("email", "card", "phone")]


class Nowhere(SpanExporter):
    """Takes spans. With `encodes` it does all the work of an export except sending."""

    def __init__(self, *, encodes: bool) -> None:
        self._encodes = encodes
        self.seconds = 0.0
        self.spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        began = time.thread_time()
        if self._encodes:
            encode_spans(spans).SerializePartialToString()
        self.seconds += time.thread_time() - began
        self.spans += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def run() -> None:
    """Measure, and print a table."""
    print("| | µs a request |\n|---|---|")
    base = _least(lambda: _request(None))
    for name, settings, environ in (
        ("everything on", "{}", {}),
        ("sampled out", "{sample: 0, trace_context: ignore}", {}),
        ("metrics alone", "{traces: none}", {}),
        ("all off", "{metrics: none}", {"OTEL_SDK_DISABLED": "true"}),
    ):
        tracing = [] if name in ("metrics alone", "all off") else [Nowhere(encodes=False)]
        telemetry = _telemetry(settings, environ, tracing)
        print(f"| on the way, {name} | {_least(lambda: _request(telemetry)) - base:.1f} |")  # noqa: B023
    exporter = Nowhere(encodes=True)
    telemetry = _telemetry("{}", {}, [exporter])
    for _ in range(REQUESTS):
        _request(telemetry)
    telemetry.flush()
    print(f"| export, 3 spans in another thread | {exporter.seconds / exporter.spans * 3e6:.1f} |")


def _telemetry(settings: str, environ: dict[str, str], exporters: Sequence[SpanExporter]) -> Telemetry:
    queue = {"OTEL_BSP_MAX_QUEUE_SIZE": "1000000", **environ}
    return Telemetry(parse(CONFIG.replace("TELEMETRY", settings), environ={}), environ=queue, exporters=exporters)


def _request(telemetry: Telemetry | None) -> None:
    """Run one streamed request. Without telemetry it does only the work of the record, which is always needed."""
    record = Record("chatcmpl-1", "alias", True, client="team")
    observer: Observer | None = telemetry.observe(SCOPE, record) if telemetry else None
    attempt = AttemptRecord(1, "openai", "openai", "gpt-4o-mini", address="api.openai.com", port=443)
    record.tries.append(attempt)
    if observer:
        observer.attempt(attempt, CALL)
        observer.attempted(attempt)
    attempt.first_token, attempt.duration = 0.1, 1.0
    record.outcome, record.status, record.finish_reasons, record.bill = "completed", 200, {0: "stop"}, BILL
    record.chunks, record.longest_gap, record.notes = 100, 0.1, NOTES
    record.began()
    record.ended()
    if observer:
        observer.over(record)


def _call() -> Call:
    config = parse(CONFIG.replace("TELEMETRY", "{}"), environ={})
    return Call(
        id="chatcmpl-1",
        operation=CHAT,
        body={"model": "alias", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "max_tokens": 9},
        model="gpt-4o-mini",
        provider_name="openai",
        provider=config.providers["openai"],
        settings=config.models["alias"],
        timeouts=config.timeouts,
        stream=True,
        guarded=False,
    )


CALL = _call()


def _least(act: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REQUESTS):
            act()
        best = min(best, (time.process_time() - began) / REQUESTS)
    return best * 1e6
