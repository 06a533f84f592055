"""The matrix of providers, finish reasons and failures, as data from the product's own tables.

`scripts.generate` renders it in docs/providers.md, and `test_matrix.py` plays each cell over real sockets.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from proxy.errors import Cause
from proxy.formats.finish import ANTHROPIC, GEMINI, OPENAI, Ending
from tests.end_to_end.reported.case import DONE, chunk, claude, ended, gemini, said

TABLES: Final = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}


@dataclass(frozen=True)
class End:
    """An answer `text` that ends for `reason`."""

    api: str
    reason: str
    ending: Ending


@dataclass(frozen=True)
class Failure:
    """An error with a cause: the provider's message and `status`, the client's result, and the fallback.

    The client gets `ours` and `code` (None if the code is the provider's own). A flag tells if a fallback serves the
    request.
    """

    cause: Cause
    status: int
    words: str
    ours: int
    code: str | None
    falls_back: bool = True


FAILURES: Final = (
    Failure("request", 400, "Invalid value for seed", 400, None, falls_back=False),
    Failure("moderation", 403, "The prompt was flagged by moderation", 403, None, falls_back=False),
    Failure("length", 400, "prompt is too long", 400, "context_length_exceeded"),
    Failure("route", 404, "No endpoints found that support tool use", 404, None),
    Failure("model", 404, "unknown model", 404, "model_not_found"),
    Failure("key", 401, "who are you", 502, "provider_auth_error"),
    Failure("account", 402, "pay first", 502, "provider_account_error"),
    Failure("limit", 429, "slow down", 429, None),
    Failure("provider", 500, "it broke", 502, "upstream_error"),
)


def ends() -> Iterator[End]:
    """Every finish reason of every provider."""
    for api, table in TABLES.items():
        for reason, ending in table.items():
            yield End(api, reason, ending)


def body(end: End, text: str) -> bytes:
    """Make the provider's stream, whose last event has the reason."""
    if end.api == "openai":
        return chunk({"content": text}) + chunk({}, end.reason) + DONE
    if end.api == "anthropic":
        return claude(*(said(text) if text else ()), ended(end.reason))
    return gemini(*([{"text": text}] if text else []), reason=end.reason)


def refusal(api: str, failure: Failure) -> bytes:
    """The body of the provider's refusal."""
    error: dict[str, Any] = {"message": failure.words}
    match api:
        case "anthropic":
            value: dict[str, Any] = {"type": "error", "error": error | {"type": "some_error"}}
        case "gemini":
            value = {"error": error | {"code": failure.status, "status": "SOME_STATUS"}}
        case _:
            value = {"error": error | {"type": "some_error", "code": None}}
    return json.dumps(value).encode()


def rendered() -> str:
    """The failures as a table of docs/providers.md."""
    rows = [
        "| cause | the provider sends | the client gets, from each provider | with a fallback |",
        "|---|---|---|---|",
    ]
    for row in FAILURES:
        code = f"`{row.code}`" if row.code else "the provider's words"
        after = "the fallback answers" if row.falls_back else "the same"
        rows.append(f"| `{row.cause}` | {row.status} “{row.words}” | {row.ours}, {code} | {after} |")
    return "\n" + "\n".join(rows) + "\n\n"
