"""A provider's refusal as the client's error.

Rule: `proxy.formats.causes` says whose affair a refusal is. The operator's is told in our own words, the client's in
the provider's, with keys, URLs and account names taken out and cut to 500 characters. The status keeps its class. A
prompt that is too long for the model gets OpenAI's code `context_length_exceeded`, whoever refused it; the message
names the code too, because clients (LangChain's among them) look for it there.

| cause | client |
|---|---|
| `request`, `moderation`, `route` | the provider's status, `invalid_request_error`, its message, `param` and `code` |
| `length` | 400 (413 and 422 stay), `context_length_exceeded`, the provider's message |
| `limit` | 408, 409, 429 as they are (a 413 for a rate becomes 429), the provider's message, `Retry-After` kept |
| `account` | 429 as it is, with the provider's message; else 502 `provider_account_error` |
| `key` | 502 `provider_auth_error` |
| `model` | 404 `model_not_found` |
| `provider` | 503 `overloaded` for 503 and 529, with `Retry-After`; 504 `upstream_timeout`; else 502 `upstream_error` |
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from policies.events import Event
from proxy.errors import Cause, UpstreamError, UpstreamTimeout
from proxy.formats.base import DecodeError
from proxy.formats.causes import cause
from proxy.formats.error_words import words
from proxy.formats.jsontext import loads
from proxy.providers.base import Call
from proxy.providers.outbound import key

MAX_MESSAGE = 500
"""Characters of a provider's message that a client gets."""

TOO_LONG = "context_length_exceeded"

MAX_RETRY = 3600
"""Seconds: the longest `Retry-After` that is passed on."""

_READ = 4 * MAX_MESSAGE
_SHORTEST = 12
_KEPT = {408: "request_timeout", 409: "conflict", 429: "rate_limit_exceeded"}
_OVERLOADED = frozenset({503, 529})

_SECRET = re.compile(
    r"[a-z][a-z0-9+.-]*://\S+"
    r"|\b(?:sk|pk|rk|gsk|xai|hf|r8|org|proj|acct|req)[-_](?=[\w*.-]*[\d*])[\w*.-]{8,}"
    r"|\bAIza[\w-]{12,}|\bya29\.\S+|\bBearer\s+\S+|\bapi[-_ ]?key\s*[=:]\s*\S+",
    re.IGNORECASE,
)


_EVENT = re.compile(rb"\A(?:(?:event|id|retry|):[^\n]*\n\s*)*data:([^\n]*)")


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
    error.detail = " ".join(filter(None, (str(status), said.code or said.kind, scrubbed(said.message, call))))
    if error.status in (408, 409, 429, 503):
        error.retry_after = _retry_after(headers, said.retry)
    return error


def judged(call: Call, events: Sequence[Event | DecodeError]) -> Sequence[Event | DecodeError]:
    """The events with the client's error in a fault that quotes the provider."""
    last = events[-1] if events else None
    if type(last) is DecodeError and last.quoted:
        return [*events[:-1], replace(last, error=_reported(call, last))]
    return events


def _reported(call: Call, fault: DecodeError) -> UpstreamError:
    """The error for a fault that the provider reported in its answer: what it would be, had it been the answer's
    status. Words about the provider's own trouble may quote the answer, so a guarded one goes without them."""
    error = _classified(call, fault.status, _Said(message=fault.message, kind=fault.kind))
    error.code = error.code or fault.kind or "upstream_error"
    if error.cause == "provider":
        error.code = fault.kind or error.code
        if not call.guarded:
            error.message = scrubbed(fault.message, call)
    error.detail = " ".join(filter(None, (str(fault.status), fault.kind, scrubbed(fault.message, call))))
    return error


def scrubbed(text: str, call: Call) -> str:
    """A provider's text without our key, URLs, and what looks like a key or an account; one line, cut."""
    text = text[:_READ]
    for secret in _secrets(call):
        text = text.replace(secret, "[redacted]")
    text = _SECRET.sub("[redacted]", " ".join(text.split()))
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _secrets(call: Call) -> list[str]:
    """The provider's key, and what among its options may be one."""
    options = (value for value in call.provider.options.values() if isinstance(value, str) and len(value) >= _SHORTEST)
    return [secret for secret in (key(call), *options) if secret]


def _classified(call: Call, status: int, said: _Said) -> UpstreamError:
    name = call.provider_name
    whose = cause(status, said.kind, said.code, said.message)
    match whose:
        case "request" | "moderation" | "route":
            return _refused(call, status, said, whose)
        case "length":
            return _too_long(call, status, said)
        case "limit":
            return _limited(call, status, said, whose)
        case "account" if status == 429:
            return _limited(call, status, said, whose)
        case "account":
            text = f"The provider {name!r} refuses this gateway's account (credit, quota or location)"
            return UpstreamError(f"{text}: ask the operator to check it.", code="provider_account_error", cause=whose)
        case "key":
            text = f"The provider {name!r} did not accept this gateway's credentials: ask the operator to check them."
            return UpstreamError(text, code="provider_auth_error", cause=whose)
        case "model":
            return _unknown_model(call)
        case _:
            return _failed(name, status)


def _refused(call: Call, status: int, said: _Said, whose: Cause) -> UpstreamError:
    name = call.provider_name
    text = scrubbed(said.message, call)
    return UpstreamError(
        text or f"The provider {name!r} refused the request ({status}) without saying why: check its parameters.",
        status=status,
        type="invalid_request_error",
        code=said.code or said.kind or ("content_policy_violation" if whose == "moderation" else None),
        param=said.param,
        cause=whose,
        quoted=bool(text),
    )


def _too_long(call: Call, status: int, said: _Said) -> UpstreamError:
    text = scrubbed(said.message, call) or "The prompt is too long for the model: shorten it."
    if TOO_LONG not in text:
        text = f"{text[: MAX_MESSAGE - len(TOO_LONG) - 3]} ({TOO_LONG})"
    return UpstreamError(
        text,
        status=status if status < 500 else 400,
        type="invalid_request_error",
        code=TOO_LONG,
        param=said.param or call.operation.texts.first,
        cause="length",
        quoted=True,
    )


def _limited(call: Call, status: int, said: _Said, whose: Cause) -> UpstreamError:
    text = scrubbed(said.message, call)
    status = 429 if status == 413 else status
    return UpstreamError(
        text or f"The provider {call.provider_name!r} refused the request ({status}): try again later.",
        status=status,
        type="rate_limit_error" if status == 429 else "invalid_request_error",
        code=said.code or _KEPT[status],
        param=said.param,
        cause=whose,
        quoted=bool(text),
    )


def _unknown_model(call: Call) -> UpstreamError:
    model = str(call.body.get("model"))[:200]
    return UpstreamError(
        f"The provider {call.provider_name!r} does not know the model behind {model!r}: "
        "ask the operator to check its target.",
        status=404,
        type="invalid_request_error",
        code="model_not_found",
        param="model",
        cause="model",
    )


def _failed(name: str, status: int) -> UpstreamError:
    if 300 <= status < 400:
        return UpstreamError(
            f"The provider {name!r} redirects to another address ({status}), which is not followed: ask the operator "
            "to set base_url to where the provider is.",
            code="upstream_redirect",
        )
    if status in _OVERLOADED:
        return UpstreamError(f"The provider {name!r} is overloaded: try again later.", status=503, code="overloaded")
    if status == 504:
        return UpstreamTimeout(f"The provider {name!r} took too long ({status}): try again.")
    return UpstreamError(f"The provider {name!r} failed ({status}): try again, or use another model.")


def _parse(body: bytes) -> _Said:
    """The error of OpenAI's, Anthropic's and Gemini's formats, and of servers that only nearly speak the first: as
    JSON, as the data of an event, or in plain words."""
    body = body.strip()
    event = _EVENT.search(body)
    try:
        value = loads(event[1] if event else body)
    except ValueError:
        return _Said(message="" if event or body.startswith(b"<") else _text(body))
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict):
        return _Said()
    error = value.get("error", value.get("base_resp", value))
    if isinstance(error, str):
        return _Said(message=words(value))
    if not isinstance(error, dict):
        error = {**value, "error": None}
    details = [detail for detail in _objects(error.get("details"))]
    return _Said(
        message=words(error),
        kind=_word(error.get("type")) or _word(error.get("status")),
        code=_word(error.get("code")) or next((_word(d.get("reason")) for d in details if d.get("reason")), None),
        param=_word(error.get("param")),
        retry=next((_word(d.get("retryDelay")) for d in details if d.get("retryDelay")), None),
    )


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except ValueError:
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
    return min(max(seconds, 0.0), MAX_RETRY)
