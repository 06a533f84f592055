"""Totals of all requests since the process started, for the operator's status and report.

Their size is limited, whatever configurations come and go, and they hold no text. Past `MAX_RULES` rules, the rest is
counted as one.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from proxy.accounting.record import Record

MAX_RULES = 2000

Rule: TypeAlias = tuple[str, str, str]
"""A policy's ID, its rule ("" for a policy without rules), and the rule's action.

In shadow mode the action is `would_redact` or similar.
"""

OTHERS: Rule = ("(others)", "", "")


@dataclass(slots=True)
class Counts:
    """A rule's number of actions and of requests, and the last time in seconds since the epoch."""

    times: int = 0
    requests: int = 0
    last: float = 0.0


@dataclass(slots=True)
class Totals:
    """Totals. `since` is in seconds since the epoch. `cost` is in USD.

    `cost` leaves out the `unpriced` requests, which were answered but have no known price.
    """

    since: float = field(default_factory=time.time)
    requests: int = 0
    attempts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    unpriced: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rules: dict[Rule, Counts] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Add a finished request."""
        self.requests += 1
        self.attempts += record.attempts
        self.outcomes[record.outcome] += 1
        if record.bill is not None:
            self.prompt_tokens += record.bill.usage.prompt
            self.completion_tokens += record.bill.usage.completion
            if record.bill.cost is None:
                self.unpriced += 1
            else:
                self.cost += record.bill.cost.total
        if record.notes:
            self._add_notes(record)

    def _add_notes(self, record: Record) -> None:
        times: Counter[Rule] = Counter()
        for note in record.notes:
            times[note.policy, note.rule or "", note.action] += note.count
        now = time.time()
        for rule, count in times.items():
            if rule not in self.rules and len(self.rules) >= MAX_RULES:
                rule = OTHERS
            counts = self.rules.setdefault(rule, Counts())
            counts.times += count
            counts.requests += 1
            counts.last = now
