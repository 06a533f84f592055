"""What is known of a request when it is over, whatever way it ended; told once, to each recorder.

Rule: one record a request, made by the driver's one exit. It holds no text of prompt or answer and no key.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from policies.events import Note, Usage
from proxy.accounting.ledger import Bill
from proxy.formats.jsontext import dumps

Outcome: TypeAlias = Literal[
    "completed",
    "client_cancelled",
    "client_timeout",
    "policy_stopped",
    "policy_error",
    "refused",
    "upstream_error",
    "timeout",
    "shed",
    "drained",
    "failed",
]

MAX_ACTIONS = 32
"""Policies' actions that one line, or one span, tells apart."""

MAX_FAILED = 20
"""Failed attempts that a line tells of: each model of a request may have so many (`retries.attempts`)."""

MAX_ID = 128
"""Characters of a provider's id on the line."""

access_log = logging.getLogger("sluice.access")


Why: TypeAlias = Literal["initial", "retry", "fallback", "rejected"]


@dataclass(slots=True)
class AttemptRecord:
    """One attempt at a target: `provider` is the configured name, `api` its wire format, `model` the provider's name of
    the model. `reason` is why it was made, `chosen` why at this target. `began` is the monotonic clock; `first_token`
    and `duration` are seconds from it, None and 0 until known. `status` is the provider's HTTP status, `error` our code
    for how the attempt failed; None when it did not. `detail` is its reason, for the operator."""

    number: int
    provider: str
    api: str
    model: str
    address: str | None = None
    port: int | None = None
    reason: Why = "initial"
    chosen: str | None = None
    began: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    duration: float = 0.0
    status: int | None = None
    error: str | None = None
    detail: str | None = None
    response_id: str | None = None
    response_model: str | None = None


@dataclass(slots=True)
class Acted:
    """What one rule of a policy did: the first time, and how often."""

    first: Note
    count: int


@dataclass(slots=True)
class Record:
    """One request. Times are in seconds; `first_event` and `duration` count from its arrival. `status` is what the
    client got, None when it left before it got one. `tries` are its attempts, `bill` what all of them have used,
    None when no provider was at work. `client` is the key's name, `address` the client's IP address, as far as they
    are known. `version` is the configuration's. `tokenizer` names what a token cap counts with. `operation` is its
    name in OpenTelemetry. `chunks` are the messages with events that the client of a stream was sent, `longest_gap`
    the longest time between two of them. `trace_id` and `span_id` are those of the request's span, in hex,
    `sampled` whether its trace is kept; None without tracing."""

    id: str
    model: str
    stream: bool
    version: str = ""
    client: str | None = None
    address: str | None = None
    target: str | None = None
    provider_id: str | None = None
    provider_status: int | None = None
    tries: list[AttemptRecord] = field(default_factory=list)
    outcome: Outcome = "failed"
    status: int | None = None
    error: str | None = None
    finish_reasons: Mapping[int, str] = field(default_factory=dict)
    stopped_by: str | None = None
    bill: Bill | None = None
    tokenizer: str | None = None
    first_event: float | None = None
    duration: float = 0.0
    bytes: int = 0
    chunks: int = 0
    longest_gap: float = 0.0
    trace_id: str | None = None
    span_id: str | None = None
    sampled: bool = False
    notes: Sequence[Note] = ()
    arrived: float = field(default_factory=time.monotonic)
    operation: str = "chat"
    _acted: list[Acted] | None = None

    @property
    def usage(self) -> Usage | None:
        """What all attempts have used."""
        return None if self.bill is None else self.bill.usage

    @property
    def attempts(self) -> int:
        """How many attempts were made."""
        return len(self.tries)

    def acted(self) -> list[Acted]:
        """What policies did by policy, rule and action, in the order of the first times. Call it when the request is
        over: it is counted once, because an answer may have tens of thousands of notes."""
        if self._acted is None:
            found: dict[tuple[str, str | None, str], Acted] = {}
            for note in self.notes:
                key = (note.policy, note.rule, note.action)
                known = found.get(key)
                if known is None:
                    found[key] = Acted(note, note.count)
                else:
                    known.count += note.count
            self._acted = list(found.values())
        return self._acted

    def began(self) -> None:
        """The client has got its first event."""
        if self.first_event is None:
            self.first_event = time.monotonic() - self.arrived

    def ended(self) -> None:
        """The request is over."""
        self.duration = time.monotonic() - self.arrived


Recorder: TypeAlias = Callable[[Record], None]


def log_access(record: Record) -> None:
    """One line of JSON for each request, at its end. The log record is made by hand: `info` would look for the line of
    code that calls it, which costs as much as the rest."""
    if access_log.isEnabledFor(logging.INFO):
        text = dumps(access_line(record)).decode()
        access_log.handle(logging.LogRecord(access_log.name, logging.INFO, __file__, 0, text, None, None))


def access_line(record: Record) -> dict[str, Any]:
    """The fields of the access line; those that are not known are left out."""
    line: dict[str, Any] = {
        "ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "level": "info",
        "msg": "request",
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "trace_flags": None if record.trace_id is None else "01" if record.sampled else "00",
        "request_id": record.id,
        "key": record.client,
        "client_address": record.address,
        "operation": record.operation,
        "model": record.model,
        "target": record.target,
        "stream": record.stream,
        "config": record.version or None,
        "status": record.status,
        "outcome": record.outcome,
        "error": record.error,
        "stopped_by": record.stopped_by,
        "attempts": record.attempts,
        "failed_attempts": _failed(record) or None,
        "provider_id": record.provider_id and record.provider_id[:MAX_ID],
        "provider_status": record.provider_status,
        "first_event_s": None if record.first_event is None else round(record.first_event, 4),
        "duration_s": round(record.duration, 4),
        "bytes": record.bytes,
        "chunks": record.chunks or None,
        "longest_gap_s": round(record.longest_gap, 4) or None,
        "policies": _acted(record) or None,
        "tokenizer": record.tokenizer,
        **_used(record.bill),
    }
    return {name: value for name, value in line.items() if value is not None}


def _failed(record: Record) -> list[str]:
    """The attempts that failed, each as its target, our code and the provider's status."""
    failed = [tried for tried in record.tries if tried.error is not None][:MAX_FAILED]
    return [" ".join(filter(None, (f"{t.provider}/{t.model}", t.error, str(t.status or "")))) for t in failed]


def _acted(record: Record) -> dict[str, int]:
    """What policies did, as `policy rule action` to how often; the first `MAX_ACTIONS` of them."""
    acted = record.acted()[:MAX_ACTIONS]
    return {" ".join(filter(None, (one.first.policy, one.first.rule, one.first.action))): one.count for one in acted}


def _used(bill: Bill | None) -> dict[str, Any]:
    """Tokens and dollars, and where each count comes from: cached tokens are part of the prompt's, reasoning tokens of
    the completion's."""
    if bill is None:
        return {}
    usage = bill.usage
    return {
        "prompt_tokens": usage.prompt,
        "cached_tokens": usage.cached,
        "prompt_source": bill.prompt,
        "completion_tokens": usage.completion,
        "reasoning_tokens": usage.reasoning,
        "completion_source": bill.completion,
        "cost_usd": None if bill.cost is None else round(bill.cost.total, 9),
        "usage_source": bill.source,
    }
