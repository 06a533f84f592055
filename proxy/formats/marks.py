"""What stands in a stream of events and is no event of the answer: the end's mark, signs of life, errors in plain
words.

Sources: OpenAI's `[DONE]` and its misspellings; keep-alives that gateways send as data, where the format has comments
for them (`data: : keepalive`, `event: ping`, the time of day); one-line errors of proxies.

Rule: a sign of life has nothing in it that could be an answer's text. JSON without members (`null`, `[]`, a number) is
one too. What is neither is left to the format's decoder.
"""

import re
from typing import Final

_DONE: Final = frozenset({b"[done]", b'"[done]"'})

MAX_PULSE: Final = 64
"""Bytes of data that may be a sign of life."""

_PULSES: Final = frozenset({"ping", "pong", "heartbeat", "keepalive"})
_PULSE: Final = re.compile(
    rb"[ -/:-@[-`{-~]*(?:ping|pong|heart[ _-]?beat|keep[ _-]?alive)?[ -/:-@[-`{-~]*|:.*|null|true|false|-?\d[\d.]*"
    rb"|\d{4}-\d\d-\d\d[T ][\d:.,+Z-]{5,24}",
    re.IGNORECASE,
)
_ERROR: Final = re.compile(rb"[\[\s]*(?:error|exception)\b[\]\s:-]*", re.IGNORECASE)
_PREFIX: Final = b"data:"


def is_done(data: bytes) -> bool:
    """Whether this data is the mark behind the last event."""
    return data.strip().lower() in _DONE


def is_pulse(event: str | None, data: bytes) -> bool:
    """Whether an event, whose data is no JSON object, only says that the provider is alive."""
    if event is not None and event.lower().replace("-", "").replace("_", "") in _PULSES:
        return True
    data = data.strip()
    return len(data) <= MAX_PULSE and _PULSE.fullmatch(data) is not None


def plain_error(data: bytes) -> str | None:
    """The message of an error in plain words: `[ERROR] overloaded`."""
    found = _ERROR.match(data)
    return data[found.end() :].decode(errors="replace").strip() if found else None


def without_prefix(data: bytes) -> bytes:
    """The data of an event that a proxy has put into an event once more."""
    while data.startswith(_PREFIX):
        data = data[len(_PREFIX) :].lstrip()
    return data
