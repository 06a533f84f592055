"""Errors inside an OpenAI-format stream, in the spellings that servers use.

Known: `{"error": {…}}` (OpenAI, Groq, OpenRouter), `{"error": "text"}`, and `{"object": "error", "message": …}` (vLLM).
An object without choices may be an error by its words alone: `{"code": 429, "msg": …}`, `{"success": false, …}`,
`{"detail": …}`, `{"error_code": …, "error_msg": …}` (Baidu), `{"base_resp": {"status_msg": …}}` (MiniMax).

Rule: of what the provider sent only its words go on (`proxy.formats.error_words`); other members may hold the answer's
text (Groq's `failed_generation`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.formats.base import DecodeError
from proxy.formats.error_words import words
from proxy.formats.fields import error_message, label, obj, string

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


_CODES: Final = ("code", "status_code", "error_code", "errcode", "status")
_FINE: Final = frozenset(
    {"0", "200", "ok", "success", "succeeded", "true", "pending", "processing", "queued", "running"}
)
"""Codes and states of what is no failure."""

_PULSES: Final = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive"})


def is_error(chunk: Mapping[str, Any]) -> bool:
    """Whether this event of the stream is an error."""
    return bool(chunk.get("error")) or chunk.get("object") == "error"


def fault(chunk: Mapping[str, Any]) -> DecodeError:
    """The error that an event holds."""
    error = chunk.get("error") or chunk
    if not isinstance(error, dict):
        error = {"message": error} if isinstance(error, str) else {**chunk, "error": None}
    return DecodeError(error_message(words(error)), _status(error, chunk), _kind(error), quoted=True)


def disguised(chunk: Mapping[str, Any]) -> DecodeError | None:
    """The error that an object without choices is, though nothing in it is called so."""
    if chunk.get("usage") or string(chunk.get("type")).lower() in _PULSES:
        return None
    for holder in (chunk, obj(chunk.get("base_resp")), obj(chunk.get("header"))):
        codes = [holder[name] for name in _CODES if holder.get(name) is not None]
        fine = any(str(code).lower() in _FINE for code in codes if isinstance(code, str | int))
        if holder.get("success") is False or (words(holder) and not fine):
            return fault(holder)
    return None


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
