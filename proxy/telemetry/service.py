"""A process's telemetry: made from its configuration, started and ended with it."""

import asyncio
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter

from proxy.accounting.record import Record
from proxy.config.models import Config
from proxy.streaming.observer import Observer, Unobserved
from proxy.streaming.response import Scope
from proxy.telemetry import environment, names
from proxy.telemetry.exporters import metric_exporter, span_exporter
from proxy.telemetry.instruments import Instruments, Observed
from proxy.telemetry.lag import LoopLag
from proxy.telemetry.measures import Measures
from proxy.telemetry.prometheus import Exposition
from proxy.telemetry.push import MetricPush
from proxy.telemetry.span_queue import SpanQueue, spans_counter
from proxy.telemetry.tracing import Tracer
from proxy.telemetry.watch import Watch, Watching

log = logging.getLogger("sluice")

DEADLINE = 3.0
"""Seconds that backends get at the end to take what is left."""


FIXED = ("service_name", "resource", "traces", "metrics", "otlp", "sample")
"""Settings that hold from start to end of a process."""


class Telemetry:
    """The telemetry of one gateway; `streams` tells how many answers are in flight. `exporters` are for tests: they
    take spans beside those that the configuration names.

    Raises `TelemetryError` when what is asked for cannot be had."""

    def __init__(
        self,
        config: Config,
        streams: Callable[[], int] = lambda: 0,
        *,
        environ: Mapping[str, str] = os.environ,
        exporters: Sequence[SpanExporter] = (),
    ) -> None:
        settings = config.telemetry
        plan = environment.plan(settings, environ)
        resource = environment.resource(settings)
        instruments = Instruments()
        measures = Measures(config, instruments, streams)
        counter = spans_counter()
        self._lag = LoopLag()
        instruments.add(counter, self._lag.histogram)
        found = [*exporters, *(span_exporter(kind, plan) for kind in plan.traces)]
        self._outlets = [SpanQueue(exporter, plan.queue, plan.batch, counter) for exporter in found]
        tracer = None
        if self._outlets:
            tracer = Tracer(resource, environment.sampler(settings, environ))
        self._push = MetricPush(metric_exporter(plan), instruments, resource) if "otlp" in plan.metrics else None
        self._exposition = Exposition(instruments) if "prometheus" in plan.metrics else None
        self._instruments = instruments
        self._measures = measures
        self._tracer = tracer
        self._plan = plan
        self._settings = settings
        self.use(config)

    def use(self, config: Config) -> None:
        """Watch new requests by `config`. What is exported, and where to, stays as it began; a warning names what
        needs a restart."""
        late = [key for key in FIXED if getattr(config.telemetry, key) != getattr(self._settings, key)]
        if late:
            log.warning("telemetry: %s take effect with the next start of the gateway", ", ".join(late))
        self._measures.use(config)
        self._watching = Watching(config, self._measures, self._tracer, self._give)
        self._watching.context = self._plan.takes_context
        if not self._plan.takes_baggage:
            self._watching.baggage = ()
        self._watching.versions = policy_versions(config)

    def follow(self, loads: Callable[[], int], refusals: Callable[[], int], refused: Callable[[], bool]) -> None:
        """Tell of a configuration that is reloaded: how often one was taken, how often one was refused, and whether
        the newest was."""
        self._instruments.add(
            Observed(names.M_CONFIG_LOADS, "{load}", "Configurations taken since the start.", loads, monotonic=True),
            Observed(names.M_CONFIG_REFUSALS, "{load}", "Configurations that were refused.", refusals, monotonic=True),
            Observed(names.M_CONFIG_REFUSED, "", "1 while the newest configuration is a refused one.", refused),
        )

    def follow_output(self, dropped: Callable[[], int]) -> None:
        """Tell how many log lines were `dropped`."""
        description = "Log lines that were dropped, because stdout or stderr was not read."
        self._instruments.add(Observed(names.M_LOG_DROPPED, "{line}", description, dropped, monotonic=True))

    def follow_connections(
        self, active: Callable[[], int], closed: Callable[[], int], refused: Callable[[], int]
    ) -> None:
        """Tell of the connections from clients: how many there are, and how many idle ones were closed, and new ones
        refused, because there was room for no more."""
        made, kept_out = "Idle ones that were closed to make room.", "New ones that were refused for want of room."
        self._instruments.add(
            Observed(names.M_CONNECTIONS, "{connection}", "Connections from clients.", active),
            Observed(names.M_CONNECTIONS_CLOSED, "{connection}", made, closed, monotonic=True),
            Observed(names.M_CONNECTIONS_REFUSED, "{connection}", kept_out, refused, monotonic=True),
        )

    def follow_bodies(self, held: Callable[[], int]) -> None:
        """Tell of the memory that requests' bodies take."""
        described = "What requests' bodies, and what they are parsed into, take."
        self._instruments.add(Observed(names.M_BODIES, "By", described, held))

    @property
    def exposes_metrics(self) -> bool:
        """Whether there is something for `/metrics`."""
        return self._exposition is not None

    def observe(self, scope: Scope, record: Record) -> Observer:
        """Watch a request that has arrived."""
        if self._tracer is None and self._push is None and self._exposition is None:
            return Unobserved()
        return Watch(self._watching, scope, record)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The metrics in Prometheus' format, and its content type. Made in a thread: it takes milliseconds."""
        if self._exposition is None:
            raise RuntimeError("there is nothing to expose")
        return await asyncio.to_thread(self._exposition.text, accept)

    def start(self) -> None:
        """Begin: what is exported, and to where, goes to the log."""
        self._lag.start()
        for signal, kinds in (("traces", self._plan.traces), ("metrics", self._plan.metrics)):
            if "otlp" in kinds:
                otlp = self._plan.otlp["traces" if signal == "traces" else "metrics"]
                log.info("%s go over OTLP (%s) to %s", signal, otlp.protocol, otlp.shown)

    async def aclose(self, seconds: float = DEADLINE) -> None:
        """End: backends get `seconds` to take what is left; a dead one takes no more of our time than that."""
        self._lag.close()
        ended = threading.Event()

        def end() -> None:
            for outlet in self._outlets:
                outlet.shutdown()
            if self._push is not None:
                self._push.shutdown()
            ended.set()

        if not self._outlets and self._push is None:
            return
        threading.Thread(target=end, name="sluice-telemetry-end", daemon=True).start()
        if not await asyncio.to_thread(ended.wait, seconds):
            threading.Thread(target=self._abandon, name="sluice-telemetry-abandon", daemon=True).start()
            log.warning("telemetry backends did not take everything within %.0f s: the rest is lost", seconds)

    def _abandon(self) -> None:
        for outlet in self._outlets:
            outlet.abandon()
        if self._push is not None:
            self._push.abandon()

    def flush(self) -> None:
        """Export what is waiting, now. Blocks."""
        for outlet in self._outlets:
            outlet.flush()
        if self._push is not None:
            self._push.push()

    def _give(self, spans: Sequence[ReadableSpan]) -> None:
        for outlet in self._outlets:
            outlet.give(spans)


def policy_versions(config: Config) -> dict[str, str]:
    """Each policy's version: the beginning of the SHA-256 of its settings."""
    return {id: hashlib.sha256(repr(policy).encode()).hexdigest()[:12] for id, policy in config.policies.items()}
