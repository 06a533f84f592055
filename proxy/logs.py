"""Where log lines go: access lines to stdout, everything else to stderr; JSON for machines, words for a terminal.

Rule: each stream is looked at by itself: one that is a terminal gets a line that can be read at a glance, any other one
JSON object a line. A line holds no key and no text of prompt or answer.
"""

import json
import logging
import sys
import time
import traceback
from typing import TextIO

_WORDS = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logs() -> None:
    """Set the process's loggers up. Called once, by the command that serves."""
    logging.basicConfig(level=logging.WARNING, handlers=[_handler(sys.stderr, JsonLines(), Words())])
    logging.getLogger("sluice").setLevel(logging.INFO)
    access = logging.getLogger("sluice.access")
    access.addHandler(_handler(sys.stdout, logging.Formatter("%(message)s"), AccessInWords()))
    access.propagate = False


def _handler(stream: TextIO, machine: logging.Formatter, terminal: logging.Formatter) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(terminal if stream.isatty() else machine)
    return handler


class Words(logging.Formatter):
    """A line of words."""

    def __init__(self) -> None:
        super().__init__(_WORDS, "%Y-%m-%dT%H:%M:%S")


class JsonLines(logging.Formatter):
    """{"ts", "level", "logger", "msg"}, and "trace" where an exception is told."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class AccessInWords(logging.Formatter):
    """An access line's JSON, told in one line: when, how it ended, what of what, how long, what was used."""

    def format(self, record: logging.LogRecord) -> str:
        line = json.loads(record.getMessage())
        words = [
            line["ts"][11:19],
            str(line.get("status", "-")),
            line["outcome"] if "error" not in line else f"{line['outcome']} ({line['error']})",
            f"{line['model'] or '-'} -> {line['target']}" if "target" in line else line["model"] or "-",
            f"{line['duration_s']:.2f} s",
        ]
        if "first_event_s" in line:
            words.append(f"first after {line['first_event_s']:.2f} s")
        if "completion_tokens" in line:
            words.append(f"{line['prompt_tokens']}+{line['completion_tokens']} tokens")
        if "cost_usd" in line:
            words.append(f"${line['cost_usd']:.6f}")
        words += [f"{name} x{count}" for name, count in line.get("policies", {}).items()]
        words.append(line["request_id"])
        return "  ".join(words)


def where_it_failed(failure: Exception) -> str:
    """Where it failed, for the log. Without the exception's own words, which may quote message text."""
    return "".join([type(failure).__name__, "\n", *traceback.format_tb(failure.__traceback__)])
