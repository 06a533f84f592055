"""The gateway's totals since its start."""

from policies.events import Note, Usage
from policies.prices import Cost
from proxy.accounting import totals as tally
from proxy.accounting.ledger import Bill
from proxy.accounting.record import Record
from proxy.accounting.totals import OTHERS, Totals


def record(*notes: Note, bill: Bill | None = None) -> Record:
    return Record("id", "model", stream=True, notes=notes, bill=bill, outcome="completed")


def test_requests_tokens_and_cost_are_summed_up() -> None:
    counted = Totals()
    cost = Cost(input=0.25, cached=0, cache_write=0, output=0.5, reasoning=0)
    counted.add(record(bill=Bill(Usage(10, 20), "reported", "reported", cost)))
    counted.add(record(bill=Bill(Usage(1, 2), "reported", "estimated")))
    counted.add(Record("id", "model", stream=False, outcome="refused"))
    assert (counted.requests, counted.prompt_tokens, counted.completion_tokens) == (3, 11, 22)
    assert (counted.cost, counted.unpriced) == (0.75, 1)
    assert counted.outcomes == {"completed": 2, "refused": 1}


def test_rules_are_counted_by_what_they_did_and_in_how_many_requests() -> None:
    counted = Totals()
    email = Note("redact/pii", "redact", "email", 0, "content")
    counted.add(record(email, email, Note("redact/pii", "would_redact", "email"), Note("token_cap/a", "stop", count=3)))
    counted.add(record(email))
    found = {rule: (counts.times, counts.requests) for rule, counts in counted.rules.items()}
    assert found == {
        ("redact/pii", "email", "redact"): (3, 2),
        ("redact/pii", "email", "would_redact"): (1, 1),
        ("token_cap/a", "", "stop"): (3, 1),
    }


def test_the_number_of_rules_is_bounded() -> None:
    counted = Totals()
    for n in range(tally.MAX_RULES + 10):
        counted.add(record(Note("redact/pii", "redact", str(n))))
    assert len(counted.rules) == tally.MAX_RULES + 1
    assert counted.rules[OTHERS].times == 10
    counted.add(record(Note("redact/pii", "redact", "0")))
    assert counted.rules["redact/pii", "0", "redact"].times == 2
