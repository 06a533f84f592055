"""What a log line looks like, for a machine and on a terminal."""

import io
import json
import logging

import pytest

from policies.events import Note, Usage
from proxy.ledger import Bill
from proxy.logs import AccessInWords, JsonLines, _handler
from proxy.record import Record, access_line
from proxy.wire.jsontext import dumps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def entry(message: str, **more: object) -> logging.LogRecord:
    return logging.LogRecord("sluice", logging.WARNING, __file__, 1, message, None, more.get("exc_info"))  # type: ignore[arg-type]


def access(record: Record) -> logging.LogRecord:
    return entry(dumps(access_line(record)).decode())


def test_a_line_for_a_machine_is_one_json_object() -> None:
    line = JsonLines().format(entry('two\nlines "quoted"'))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("ts").endswith("Z")
    assert found == {"level": "warning", "logger": "sluice", "msg": 'two\nlines "quoted"'}


def test_an_exception_goes_into_the_same_object() -> None:
    try:
        raise KeyError("x")
    except KeyError as failure:
        line = JsonLines().format(entry("bad", exc_info=(KeyError, failure, failure.__traceback__)))
    assert "KeyError" in json.loads(line)["trace"]


def test_an_access_line_on_a_terminal_is_read_at_a_glance() -> None:
    record = Record("chatcmpl-1", "fast", True, target="openai/m", status=200, outcome="policy_stopped")
    record.bill = Bill(Usage(3, 2), "reported", "reported")
    record.first_event, record.duration = 0.25, 1.5
    record.notes = [Note("redact/pii", "redact", "email", count=2)]
    line = AccessInWords().format(access(record))
    told = "200  policy_stopped  fast -> openai/m  1.50 s  first after 0.25 s  3+2 tokens  redact/pii email redact x2"
    assert told in line and line.endswith("chatcmpl-1") and "\n" not in line


def test_a_request_that_failed_early_is_told_too() -> None:
    record = Record("chatcmpl-1", "", False, status=401, outcome="refused", error="invalid_api_key")
    assert "401  refused (invalid_api_key)  -  0.00 s" in AccessInWords().format(access(record))


@pytest.mark.parametrize(("stream", "begins"), [(io.StringIO(), "{"), (Terminal(), "WORDS")])
def test_a_terminal_gets_words_and_anything_else_json(stream: io.StringIO, begins: str) -> None:
    handler = _handler(stream, JsonLines(), logging.Formatter("WORDS %(message)s"))
    handler.emit(entry("hello"))
    assert stream.getvalue().startswith(begins)
