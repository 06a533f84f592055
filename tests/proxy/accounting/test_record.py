"""The record of a finished request, and its line in the access log."""

import json
import logging

import pytest

from policies.events import Note, Usage
from proxy.accounting.ledger import Bill
from proxy.accounting.record import MAX_ACTIONS, Record, access_line, log_access


def test_a_line_leaves_out_what_is_not_known() -> None:
    line = access_line(Record("chatcmpl-1", "alias", True, outcome="client_cancelled"))
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "msg": "request",
        "request_id": "chatcmpl-1",
        "operation": "chat",
        "model": "alias",
        "stream": True,
        "outcome": "client_cancelled",
        "attempts": 0,
        "duration_s": 0.0,
        "bytes": 0,
    }


def test_a_line_tells_what_is_known() -> None:
    record = Record(
        "chatcmpl-1",
        "alias",
        False,
        client="ours",
        target="openai/m",
        bill=Bill(Usage(3, 2), "reported", "reported"),
        status=200,
    )
    record.first_event, record.duration, record.stopped_by = 0.01234567, 1.5, "cap"
    line = access_line(record)
    assert (line["key"], line["target"], line["status"], line["stopped_by"]) == ("ours", "openai/m", 200, "cap")
    assert (line["first_event_s"], line["duration_s"]) == (0.0123, 1.5)
    assert (line["prompt_tokens"], line["completion_tokens"], line["usage_source"]) == (3, 2, "reported")


def test_times_count_from_the_arrival_and_the_first_event_counts() -> None:
    record = Record("chatcmpl-1", "alias", True)
    record.began()
    first = record.first_event
    record.began()
    record.ended()
    assert first is not None and record.first_event == first
    assert 0 <= first <= record.duration < 60


def test_one_line_of_json_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sluice.access")
    log_access(Record('chatcmpl-1"\n', "alias", True, notes=[Note("redact", "redacted", "email")]))
    [entry] = caplog.records
    assert json.loads(entry.message)["request_id"] == 'chatcmpl-1"\n' and "\n" not in entry.message


def test_nothing_is_made_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sluice.access")
    log_access(Record("chatcmpl-1", "alias", True))
    assert not caplog.records


def test_a_line_tells_its_trace_and_what_policies_did_at_most_32_of_it() -> None:
    notes = [Note("redact/pii", "redact", f"rule-{index}") for index in range(40)] + [
        Note("redact/pii", "redact", "rule-0", count=4)
    ]
    record = Record("chatcmpl-1", "alias", True, notes=notes, trace_id="a" * 32, span_id="b" * 16, sampled=True)
    line = access_line(record)
    assert (line["trace_id"], line["span_id"], line["trace_flags"]) == ("a" * 32, "b" * 16, "01")
    assert len(line["policies"]) == MAX_ACTIONS
    assert line["policies"]["redact/pii rule-0 redact"] == 5
