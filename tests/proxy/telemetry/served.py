"""Served requests as telemetry sees them, and their configuration."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from policies.events import Usage
from policies.prices import Price
from proxy.accounting.ledger import Bill
from proxy.accounting.record import AttemptRecord, Record
from proxy.config.load import parse
from proxy.config.models import Config
from proxy.telemetry.service import Telemetry
from tests.proxy.providers.calls import call

CONFIG = """
providers: {openai: {api_key: provider-key}, local: {api: openai, base_url: "http://127.0.0.1:9/v1"}}
models:
  alias: {target: openai/gpt-4o-mini}
  "any-*": {target: "local/*"}
"""
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def config(telemetry: str = "{}") -> Config:
    return parse(f"{CONFIG}telemetry: {telemetry}\n", environ={})


@contextlib.contextmanager
def running(settings: str = "{}", streams: Callable[[], int] = lambda: 0, **environ: str) -> Iterator[Telemetry]:
    """Run telemetry with some settings, and end it with the block, because its threads must not outlive the test."""
    telemetry = Telemetry(config(settings), streams, environ=environ)
    try:
        yield telemetry
    finally:
        asyncio.run(telemetry.aclose())


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "scheme": "http",
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 50000),
        "headers": [(b"user-agent", b"tests"), *headers],
    }


def a_try(number: int = 1, **changes: Any) -> AttemptRecord:
    return AttemptRecord(
        number, changes.pop("provider", "openai"), "openai", changes.pop("model", "gpt-4o-mini"), **changes
    )


def a_record(**changes: Any) -> Record:
    """Make an answered streamed request: 3 + 2 tokens, first token after 0.5 s, first event 0.25 s later."""
    now = time.monotonic()
    tried = a_try(began=now + 0.125, first_token=0.5, duration=1.5)
    record = Record("chatcmpl-1", "alias", True, client="ours", arrived=now, tries=[tried], outcome="completed")
    record.status, record.finish_reasons, record.first_event, record.duration = 200, {0: "stop"}, 0.875, 2.0
    usage = Usage(3, 2)
    record.bill = Bill(usage, "reported", "reported", Price(1, 2).cost(usage))
    record.chunks, record.longest_gap, record.bytes = 7, 0.25, 700
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def serve(telemetry: Telemetry, *headers: tuple[bytes, bytes], **changes: Any) -> Record:
    """One request from its arrival to its end."""
    record = a_record(**changes)
    observer = telemetry.observe(scope(*headers), record)
    for attempt in record.tries:
        observer.attempt(attempt, call("openai", {"temperature": 0.5}))
        observer.attempted(attempt)
    observer.over(record)
    return record
