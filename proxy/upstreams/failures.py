"""A provider's refusal as the client's error.

Rule: the status keeps its class; what is the operator's affair is said in our own words, what is the client's in the
provider's, with keys, URLs and account names taken out and cut to 500 characters.

| provider | client |
|---|---|
| 400, 413, 422 | the same, `invalid_request_error`, the provider's message, `param` and `code` |
| 401, 402, 403, and 400 for a bad key (Gemini) | 502 `provider_auth_error`, our words |
| 404, 410 | 404 `model_not_found`, our words |
| 408, 409, 429 | the same, the provider's message, `Retry-After` kept |
| 503, 529 | 503 `overloaded`, `Retry-After` kept |
| 504 | 504 `upstream_timeout` |
| other 5xx, and all else | 502 `upstream_error`, our words |

A prompt too long for the model gets OpenAI's code `context_length_exceeded`, whoever refused it.
"""

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from proxy.errors import UpstreamError, UpstreamTimeout
from proxy.upstreams.base import Call
from proxy.upstreams.outbound import key
from proxy.wire.jsontext import loads

LONGEST_MESSAGE = 500
"""Characters of a provider's message that a client gets."""

LONGEST_RETRY = 3600
"""Seconds: the longest `Retry-After` that is passed on."""

_READ = 4 * LONGEST_MESSAGE
_SHORTEST = 12
_CLIENTS = frozenset({400, 413, 422})
_OPERATORS = frozenset({401, 402, 403})
_UNKNOWN = frozenset({404, 410})
_KEPT = {408: "request_timeout", 409: "conflict", 429: "rate_limit_exceeded"}
_OVERLOADED = frozenset({503, 529})

_TOO_LONG = re.compile(
    r"prompt is too long|maximum context length|input token count .{0,40}exceeds"
    r"|context.{0,10}(?:length|window).{0,20}exceed|exceed.{0,30}context (?:length|window|limit)",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(r"API_KEY_(?:INVALID|EXPIRED|SERVICE_BLOCKED)|API key (?:not valid|expired)", re.IGNORECASE)
_SECRET = re.compile(
    r"[a-z][a-z0-9+.-]*://\S+"
    r"|\b(?:sk|pk|rk|gsk|xai|hf|r8|org|proj|acct|req)[-_](?=[\w*.-]*[\d*])[\w*.-]{8,}"
    r"|\bAIza[\w-]{12,}|\bya29\.\S+|\bBearer\s+\S+|\bapi[-_ ]?key\s*[=:]\s*\S+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a provider's error body says."""

    message: str = ""
    kind: str | None = None
    code: str | None = None
    param: str | None = None
    retry: str | None = None


def failure(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The error for a response that is not a 200. `body` is as much of it as was read."""
    said = _parse(body)
    error = _classified(call, status, said)
    error.provider_status = status
    if error.status in (408, 409, 429, 503):
        error.retry_after = _retry_after(headers, said.retry)
    return error


def scrubbed(text: str, call: Call) -> str:
    """A provider's text without our key, URLs, and what looks like a key or an account; one line, cut."""
    text = text[:_READ]
    for secret in _secrets(call):
        text = text.replace(secret, "[redacted]")
    text = _SECRET.sub("[redacted]", " ".join(text.split()))
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _secrets(call: Call) -> list[str]:
    """The provider's key, and what among its options may be one."""
    options = (value for value in call.provider.options.values() if isinstance(value, str) and len(value) >= _SHORTEST)
    return [secret for secret in (key(call), *options) if secret]


def _classified(call: Call, status: int, said: _Said) -> UpstreamError:
    name = call.provider_name
    message = scrubbed(said.message, call)
    if status in _OPERATORS or (status == 400 and _BAD_KEY.search(f"{said.code} {said.message}")):
        text = f"The provider {name!r} did not accept this gateway's credentials: ask the operator to check them."
        return UpstreamError(text, code="provider_auth_error")
    if status in _UNKNOWN:
        model = str(call.body.get("model"))[:200]
        text = f"The provider {name!r} does not know the model behind {model!r}: ask the operator to check its target."
        return UpstreamError(text, status=404, type="invalid_request_error", code="model_not_found", param="model")
    if status in _CLIENTS:
        return _refused(name, status, said, message)
    if status in _KEPT:
        text = message or f"The provider {name!r} refused the request ({status}): try again later."
        kind = "rate_limit_error" if status == 429 else "invalid_request_error"
        return UpstreamError(text, status=status, type=kind, code=said.code or _KEPT[status], param=said.param)
    if status in _OVERLOADED:
        return UpstreamError(f"The provider {name!r} is overloaded: try again later.", status=503, code="overloaded")
    if status == 504:
        return UpstreamTimeout(f"The provider {name!r} took too long ({status}): try again.")
    return UpstreamError(f"The provider {name!r} failed ({status}): try again, or use another model.")


def _refused(name: str, status: int, said: _Said, message: str) -> UpstreamError:
    text = message or f"The provider {name!r} refused the request ({status}) without saying why: check its parameters."
    code = "context_length_exceeded" if _TOO_LONG.search(said.message[:_READ]) else said.code
    return UpstreamError(text, status=status, type="invalid_request_error", code=code or said.kind, param=said.param)


def _parse(body: bytes) -> _Said:
    """The error of OpenAI's, Anthropic's and Gemini's formats, and of servers that only nearly speak the first."""
    try:
        value = loads(body)
    except ValueError:
        return _Said()
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict):
        return _Said()
    error = value.get("error", value)
    if isinstance(error, str):
        return _Said(message=error)
    if not isinstance(error, dict):
        return _Said()
    details = [detail for detail in _objects(error.get("details"))]
    return _Said(
        message=_message(error),
        kind=_word(error.get("type")) or _word(error.get("status")),
        code=_word(error.get("code")) or next((_word(d.get("reason")) for d in details if d.get("reason")), None),
        param=_word(error.get("param")),
        retry=next((_word(d.get("retryDelay")) for d in details if d.get("retryDelay")), None),
    )


def _message(error: dict[str, Any]) -> str:
    for name in ("message", "detail", "msg", "error"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return value
        for item in _objects(value):  # FastAPI's list of what is wrong
            if isinstance(item.get("msg"), str):
                return str(item["msg"])
    return ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[\w.\[\]-]{1,128}", value) else None


def _retry_after(headers: Mapping[str, str], delay: str | None) -> float | None:
    lowered = {name.lower(): value for name, value in headers.items()}
    milliseconds = _seconds(lowered.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    said = lowered.get("retry-after", "").strip() or (delay or "").removesuffix("s")
    seconds = _seconds(said)
    if seconds is None and said:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return _bounded(seconds) if seconds is not None else None


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_RETRY)
