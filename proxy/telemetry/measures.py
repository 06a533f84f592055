"""The metrics of requests: which there are, and what a request's record adds to them.

Rule: they come from the record alone, whether its trace was kept or not. Labels are closed sets (`proxy.telemetry.
labels`). Times of answers are counted in buckets that reach minutes, because streams do.
"""

from collections.abc import Callable

from proxy.accounting.record import Record
from proxy.config.models import Config
from proxy.telemetry import names
from proxy.telemetry.instruments import Counter, Histogram, Instruments, Observed
from proxy.telemetry.labels import Labels, error_type
from proxy.telemetry.outcomes import held, own_error

ANSWERS = tuple(0.01 * 2**power for power in range(16))
"""Seconds of whole answers: the conventions' buckets, 0.01 to 81.92, and two more up to 327.68."""

SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds of what should take none."""

TOKENS = tuple(4.0**power for power in range(14))
"""The conventions' buckets: 1 to 67,108,864."""

_GENAI = (names.OPERATION, names.PROVIDER, names.REQUEST_MODEL)


class Measures:
    """The instruments that requests are measured with. `streams` tells how many answers are in flight."""

    def __init__(self, config: Config, instruments: Instruments, streams: Callable[[], int]) -> None:
        self.use(config)
        self.http, self.active = _http()
        self.finished = Counter(
            names.M_FINISHED,
            "{request}",
            "Requests that are over, by how they ended.",
            (names.L_OUTCOME, names.L_ALIAS, names.ERROR_TYPE),
        )
        self.operation = _seconds(names.M_OPERATION, "From the first attempt to the end.", *_GENAI, names.ERROR_TYPE)
        self.first_chunk = _seconds(
            names.M_FIRST_CHUNK, "From the last attempt's begin to the provider's first token; streams only.", *_GENAI
        )
        self.tokens = Histogram(names.M_TOKENS, "{token}", "Used by a request.", TOKENS, (*_GENAI, names.TOKEN_TYPE))
        self.cost = Counter(names.M_COST, "USD", "What requests cost.", (names.L_PROVIDER, names.REQUEST_MODEL))
        self.delivered = _seconds(
            names.M_DELIVERED, "From arrival to the first event that the client got; streams only.", names.L_ALIAS
        )
        self.held = _short(names.M_HELD, "From the provider's first token to the client's first event.", names.L_ALIAS)
        self.before = _short(names.M_BEFORE, "From a request's arrival to its first attempt.")
        self.gap = _seconds(names.M_GAP, "A stream's longest silence between two events.", names.L_PROVIDER)
        self.attempts = Counter(
            names.M_ATTEMPTS,
            "{attempt}",
            "Attempts at providers, by why they were made.",
            (names.L_PROVIDER, names.L_REASON, names.ERROR_TYPE),
        )
        self.attempt = _seconds(names.M_ATTEMPT_DURATION, "An attempt from begin to end.", names.L_PROVIDER)
        actions = (names.POLICY, names.POLICY_RULE, names.POLICY_ACTION)
        self.policies = Counter(names.M_POLICY, "{action}", "What policies did.", actions)
        in_flight = Observed(names.M_STREAMS, "{stream}", "Answers in flight.", streams)
        instruments.add(self.http, self.active, self.finished, self.operation, self.first_chunk, self.tokens)
        instruments.add(self.cost, self.delivered, self.held, self.before, self.gap, self.attempts, self.attempt)
        instruments.add(self.policies, in_flight)

    def use(self, config: Config) -> None:
        """Take the labels' sets from `config` from now on."""
        self._labels = Labels(config)

    def arrived(self, method: str, scheme: str) -> None:
        """A request is in flight."""
        self.active.add(1, method, scheme)

    def over(self, record: Record, method: str, scheme: str, route: str) -> None:
        """A request is over."""
        self.active.add(-1, method, scheme)
        alias = self._labels.alias(record.model)
        status = "" if record.status is None else str(record.status)
        error = own_error(record)
        self.http.record(record.duration, method, route, status, error)
        self.finished.add(1, record.outcome, alias, error or error_type(record.error, record.status))
        if record.stream and record.first_event is not None:
            self.delivered.record(record.first_event, alias)
            if (hold := held(record)) is not None:
                self.held.record(hold, alias)
        for acted in record.acted():
            self.policies.add(acted.count, acted.first.policy, acted.first.rule or "", acted.first.action)
        if record.tries:
            self._provider(record, error)

    def _provider(self, record: Record, error: str) -> None:
        first, last = record.tries[0], record.tries[-1]
        self.before.record(max(first.began - record.arrived, 0))
        for attempt in record.tries:
            provider = self._labels.provider(attempt.provider)
            failed = error_type(attempt.error, attempt.status)
            self.attempts.add(1, provider, attempt.reason, failed)
            self.attempt.record(attempt.duration, provider)
        labels = (record.operation, *self._labels.target(last.api, last.provider, last.model))
        self.operation.record(record.arrived + record.duration - first.began, *labels, error)
        provider = self._labels.provider(last.provider)
        if record.stream:
            if last.first_token is not None:
                self.first_chunk.record(last.first_token, *labels)
            if record.longest_gap > 0:
                self.gap.record(record.longest_gap, provider)
        if record.bill is not None:
            self.tokens.record(record.bill.usage.prompt, *labels, "input")
            self.tokens.record(record.bill.usage.completion, *labels, "output")
            if record.bill.cost is not None:
                self.cost.add(record.bill.cost.total, provider, labels[2])


def _http() -> tuple[Histogram, Counter]:
    labels = (names.HTTP_METHOD, names.HTTP_ROUTE, names.HTTP_STATUS, names.ERROR_TYPE)
    return (
        _seconds(names.M_HTTP_DURATION, "From a request's arrival to the end of its answer.", *labels),
        Counter(
            names.M_HTTP_ACTIVE, "{request}", "Chat requests in flight.", (names.HTTP_METHOD, names.URL_SCHEME), False
        ),
    )


def _seconds(name: str, description: str, *labels: str) -> Histogram:
    return Histogram(name, "s", description, ANSWERS, labels)


def _short(name: str, description: str, *labels: str) -> Histogram:
    return Histogram(name, "s", description, SHORT, labels)
