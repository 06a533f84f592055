"""The record of a finished request, sent once to each recorder.

The driver's only exit makes one record for each request, however it ended. A record holds no text of prompt or answer,
and no key.
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
"""Maximum number of different policy actions on one access line or span."""

MAX_FAILED = 20
"""Maximum number of failed attempts on an access line. Each model of a request may have so many
(`retries.attempts`).
"""

MAX_ID = 128
"""Maximum number of characters of a provider's ID on the access line."""

access_log = logging.getLogger("sluice.access")


Why: TypeAlias = Literal["initial", "retry", "fallback", "rejected"]


@dataclass(slots=True)
class AttemptRecord:
    """One attempt at a target.

    - `provider` is the configured name, `api` its wire format, `model` the provider's name of the model.
    - `reason` is why the attempt was made, `chosen` why at this target.
    - `began` is on the monotonic clock. `first_token` and `duration` are seconds from it, None and 0 until known.
    - `status` is the provider's HTTP status. `error` is our code for the failure, None without one.
    - `detail` is the failure's reason for the operator.
    """

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
    """The actions of one policy rule: the first one, and their number."""

    first: Note
    count: int


@dataclass(slots=True)
class Record:
    """One request. Times are in seconds. `first_event` and `duration` count from its arrival.

    - `status` is the client's, None if the client left before it got one.
    - `tries` are the attempts. `bill` is their total usage, None if no provider worked.
    - `client` is the key's name, `address` the client's IP address, if known.
    - `version` is the configuration's. `tokenizer` names the one that a token cap counts with.
    - `operation` is its name in OpenTelemetry.
    - `chunks` counts the messages with events that were sent to a streaming client. `longest_gap` is the longest time
      between two of them.
    - `trace_id` and `span_id` are those of the request's span, in hex. `sampled` tells if its trace is kept. Without
      tracing, all three are None.
    """

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
        """The usage of all attempts."""
        return None if self.bill is None else self.bill.usage

    @property
    def attempts(self) -> int:
        """The number of attempts."""
        return len(self.tries)

    def acted(self) -> list[Acted]:
        """Group the policies' actions by policy, rule and action, in order of first occurrence.

        Call it after the request has ended. It counts once, because an answer may have tens of thousands of notes.
        """
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
        """Record that the client got its first event."""
        if self.first_event is None:
            self.first_event = time.monotonic() - self.arrived

    def ended(self) -> None:
        """Record that the request has ended."""
        self.duration = time.monotonic() - self.arrived


Recorder: TypeAlias = Callable[[Record], None]


def log_access(record: Record) -> None:
    """Log one line of JSON for a finished request.

    The log record is made by hand: `info` would look up the calling line of code, which costs as much as the rest.
    """
    if access_log.isEnabledFor(logging.INFO):
        text = dumps(access_line(record)).decode()
        access_log.handle(logging.LogRecord(access_log.name, logging.INFO, __file__, 0, text, None, None))


def access_line(record: Record) -> dict[str, Any]:
    """Build the fields of the access line. Unknown fields are left out."""
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
    """List the failed attempts, each with its target, our code and the provider's status."""
    failed = [tried for tried in record.tries if tried.error is not None][:MAX_FAILED]
    return [" ".join(filter(None, (f"{t.provider}/{t.model}", t.error, str(t.status or "")))) for t in failed]


def _acted(record: Record) -> dict[str, int]:
    """Count the policies' actions by `policy rule action`, for the first `MAX_ACTIONS` of them."""
    acted = record.acted()[:MAX_ACTIONS]
    return {" ".join(filter(None, (one.first.policy, one.first.rule, one.first.action))): one.count for one in acted}


def _used(bill: Bill | None) -> dict[str, Any]:
    """Build the fields for tokens and dollars, with the source of each count.

    Cached tokens are part of the prompt's, and reasoning tokens part of the completion's.
    """
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
