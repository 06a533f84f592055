"""Log lines for a machine and on a terminal."""

import json
import logging
import os
import pty
import subprocess
import sys

import pytest

from policies.events import Note, Usage
from proxy.accounting.ledger import Bill
from proxy.accounting.record import AttemptRecord, Record, access_line
from proxy.formats.jsontext import dumps
from proxy.telemetry.logs import MAX_CHARACTERS, AccessInWords, JsonLines, _dropped


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


def test_failed_attempts_are_told_with_their_reasons() -> None:
    record = Record("chatcmpl-1", "fast", True, target="gemini/m", status=200, outcome="completed")
    record.tries = [
        AttemptRecord(1, "openai", "openai", "m", error="overloaded", status=529),
        AttemptRecord(2, "gemini", "gemini", "m"),
    ]
    assert access_line(record)["failed_attempts"] == ["openai/m overloaded 529"]
    assert "2 attempts, failed: openai/m overloaded 529" in AccessInWords().format(access(record))


@pytest.mark.parametrize(("level", "shown"), [("info", True), ("warning", False)])
def test_the_log_level_says_which_lines_are_written(level: str, shown: bool) -> None:
    program = (
        f"import logging, proxy.telemetry.logs\noutput = proxy.telemetry.logs.set_up_logs({level!r})\n"
        "logging.getLogger('sluice.access').info('{}')\nlogging.getLogger('sluice').info('hello')\n"
        "logging.getLogger('sluice').warning('careful')\noutput.leave(0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert (b"{}" in ended.stdout, b"hello" in ended.stderr, b"careful" in ended.stderr) == (shown, shown, True)


def test_a_request_that_failed_early_is_told_too() -> None:
    record = Record("chatcmpl-1", "", False, status=401, outcome="refused", error="invalid_api_key")
    assert "401  refused (invalid_api_key)  -  0.00 s" in AccessInWords().format(access(record))


@pytest.mark.parametrize("terminal", ["stdout", "stderr"])
def test_a_terminal_gets_words_and_anything_else_json(terminal: str) -> None:
    leader, follower = pty.openpty()
    request = dumps(access_line(Record("chatcmpl-1", "fast", False, status=200))).decode()
    program = (
        "import logging, proxy.telemetry.logs\noutput = proxy.telemetry.logs.set_up_logs()\n"
        f"logging.getLogger('sluice.access').info({request!r})\nlogging.getLogger('sluice').info('hello')\n"
        "output.leave(0)"
    )
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, terminal: follower}
    ended = subprocess.run([sys.executable, "-c", program], **streams, timeout=60, check=True)  # type: ignore[call-overload]
    seen = {"stdout": ended.stdout, "stderr": ended.stderr, terminal: os.read(leader, 65536)}
    os.close(leader)
    os.close(follower)
    assert (b"200  failed  fast" in seen["stdout"]) == (terminal == "stdout")
    assert (b"INFO sluice: hello" in seen["stderr"]) == (terminal == "stderr")
    assert seen["stderr" if terminal == "stdout" else "stdout"].startswith(b"{")


def test_a_line_for_a_machine_stays_json_however_much_there_is_to_tell() -> None:
    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError("the cause")

    try:
        deep(500)
    except ValueError as failure:
        line = JsonLines().format(entry("x" * 10**6, exc_info=(ValueError, failure, failure.__traceback__)))
    found = json.loads(line)
    assert len(line) < 3 * MAX_CHARACTERS
    assert found["msg"].startswith("xxx") and found["trace"].endswith("ValueError: the cause")


@pytest.mark.parametrize("terminal", [True, False])
def test_dropped_lines_are_told_by_number(terminal: bool) -> None:
    line = _dropped(12, terminal)
    assert "12 log lines were dropped" in line
    assert terminal or json.loads(line)["dropped"] == 12
