"""Where log lines go: access lines to stdout, everything else to stderr; JSON for machines, words for a terminal.

Rule: each stream is looked at by itself: one that is a terminal gets a line that can be read at a glance, any other one
JSON object a line. A line holds no key and no text of prompt or answer. Writing a line never waits
(`proxy.telemetry.output`).
"""

import json
import logging
import time
import traceback

from proxy.telemetry.output import LineWriter, Output

MAX_CHARACTERS = 4000
"""Characters of a message, and of a trace (its end), in a line of JSON."""

_WORDS = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S"


def set_up_logs(level: str = "info") -> Output:
    """Set the process's loggers and its output up: lines of `level` and above. Access lines are of `info`. Called once,
    by the command that serves, which `leave`s with what this returns."""
    output = Output(_dropped)
    access_terminal, terminal = output.terminals
    rest = _Queued(output.stderr)
    rest.setFormatter(Words() if terminal else JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[rest])
    logging.getLogger("sluice").setLevel(level.upper())
    requests = _Queued(output.stdout)
    requests.setFormatter(AccessInWords() if access_terminal else logging.Formatter("%(message)s"))
    access = logging.getLogger("sluice.access")
    access.addHandler(requests)
    access.propagate = False
    return output


class _Queued(logging.Handler):
    """Makes a line of each record at once, since what it tells of may change, and gives it to a writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.put(self.format(record))
        except Exception:
            self.handleError(record)


def _dropped(count: int, terminal: bool) -> str:
    """Tell that lines were dropped."""
    text = f"{count} log lines were dropped: this output was read too slowly, or could not be written."
    if terminal:
        return f"{time.strftime(_TIME)} WARNING sluice: {text}"
    line = {"ts": _utc(time.time()), "level": "warning", "logger": "sluice", "msg": text, "dropped": count}
    return json.dumps(line)


class Words(logging.Formatter):
    """A line of words."""

    def __init__(self) -> None:
        super().__init__(_WORDS, _TIME)


class JsonLines(logging.Formatter):
    """{"ts", "level", "logger", "msg"}, and "trace" where an exception is told."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": _utc(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage()[:MAX_CHARACTERS],
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)[-MAX_CHARACTERS:]
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
        if failed := line.get("failed_attempts"):
            attempts = f"{line['attempts']} attempts" if line["attempts"] > 1 else "1 attempt"
            words.append(f"{attempts}, failed: {', '.join(failed)}")
        words += [f"{name} x{count}" for name, count in line.get("policies", {}).items()]
        words.append(line["request_id"])
        return "  ".join(words)


def _utc(seconds: float) -> str:
    return time.strftime(f"{_TIME}Z", time.gmtime(seconds))


def where_it_failed(failure: Exception) -> str:
    """Where it failed, for the log. Without the exception's own words, which may quote message text."""
    return "".join([type(failure).__name__, "\n", *traceback.format_tb(failure.__traceback__)])
