"""Errors inside an OpenAI-format stream, in the spellings that servers use.

Known: `{"error": {…}}` (OpenAI, Groq, OpenRouter), `{"error": "text"}`, and `{"object": "error", "message": …}` (vLLM).
Rule: of what the provider sent only its `message` goes on; other members may hold the answer's text (Groq's
`failed_generation`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.wire.base import Fault
from proxy.wire.fields import error_message, label, string

_STATUSES = (
    ("rate_limit", 429),
    ("too_many_requests", 429),
    ("quota", 429),
    ("overloaded", 503),
    ("unavailable", 503),
    ("timeout", 504),
    ("api_key", 401),
    ("authentication", 401),
    ("permission", 403),
    ("invalid_request", 400),
    ("context_length", 400),
)
"""Words of an error's type or code and the status they mean; the first that is found counts."""


def is_error(chunk: Mapping[str, Any]) -> bool:
    """Whether this event of the stream is an error."""
    return bool(chunk.get("error")) or chunk.get("object") == "error"


def fault(chunk: Mapping[str, Any]) -> Fault:
    """The error that an event holds."""
    error = chunk.get("error") or chunk
    if not isinstance(error, dict):
        error = {"message": error}
    return Fault(error_message(error.get("message")), _status(error, chunk), _kind(error), quoted=True)


def _status(error: Mapping[str, Any], chunk: Mapping[str, Any]) -> int:
    for holder in (error, chunk):
        for name in ("status_code", "code", "status"):
            if status := _http_status(holder.get(name)):
                return status
    words = " ".join(_names(error)).lower()
    return next((status for word, status in _STATUSES if word in words), 502)


def _http_status(value: Any) -> int | None:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    return value if type(value) is int and 400 <= value <= 599 else None


def _kind(error: Mapping[str, Any]) -> str | None:
    return next((label(name, guarded=True) for name in _names(error)), None)


def _names(error: Mapping[str, Any]) -> Iterator[str]:
    """The error's code and type, the more exact one first."""
    for member in ("code", "type"):
        name = string(error.get(member))
        if name and not name.isdigit():
            yield name
