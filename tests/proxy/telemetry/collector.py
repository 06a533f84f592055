"""An OTLP backend over real HTTP, in a thread. It keeps the received data, and can be slow or reject it."""

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector(ThreadingHTTPServer):
    """`status` is its answer once `open` is set. `headers` are the last request's."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.open = threading.Event()
        self.open.set()
        self.paths: list[str] = []
        self.headers: dict[str, str] = {}
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.metrics: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({one.key: one.value.string_value for one in group.resource.attributes})
                self.spans += [span for scope in group.scope_spans for span in scope.spans]
        else:
            for found in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {metric.name: metric for scope in found.scope_metrics for metric in scope.metrics}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.paths.append(self.path)
        self.server.headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.open.wait(30)
        if self.server.status == 200:
            self.server.take(self.path, body)
        with contextlib.suppress(OSError):
            self.send_response(self.server.status)
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    late = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < late, "it did not happen"
        time.sleep(0.005)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.open.set()
        collector.shutdown()
        thread.join()
        collector.server_close()
