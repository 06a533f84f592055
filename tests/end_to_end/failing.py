"""The failure matrix: every way in which a provider fails, and the expected result.

A row states the expectation. No code here looks at the actual result.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from proxy.accounting.record import Outcome

PROVIDERS = ("openai", "anthropic", "gemini")
ATTEMPTS = 3
COUNTS = (0, 1, 10)


@dataclass(frozen=True, slots=True)
class Row:
    """One failure.

    - Before the first event, or for a non-streaming request, the client gets `status` and `code`, after as many calls
      as `again` says: all of `ATTEMPTS`, or one.
    - With `late`, a stream has begun by then. The client gets 200 and an error event, after one call and no other
      target.
    - `moves`: a fallback serves the request if there was no event.
    - `billed`: the provider may have worked on each attempt, so its prompt is on the bill.
    - `worked`: the minimum number of tokens that it has made by then.
    - `model` is the simulator's name for the fault. `prefix` leads to a provider that is not `reached`.

    A `code` that is the provider's own is given for each provider.
    """

    name: str
    model: str
    status: int
    code: str | Mapping[str, str]
    again: bool = True
    late: bool = False
    moves: bool = True
    billed: bool = False
    worked: int = 0
    reached: bool = True
    prefix: str = ""
    retry_after: str | None = None
    outcome: Outcome = "upstream_error"


_REFUSED = {"openai": "invalid_request_error", "anthropic": "invalid_request_error", "gemini": "INVALID_ARGUMENT"}
_BROKEN = {"openai": "server_error", "anthropic": "api_error", "gemini": "INTERNAL"}


def _refusals() -> list[Row]:
    return [
        Row("connect refused", "sim-chat", 502, "connect_error", reached=False, prefix="down-"),
        Row("no TLS", "sim-chat", 502, "tls_error", reached=False, prefix="tls-"),
        Row("408", "sim-chat.fail-408", 408, "request_timeout"),
        Row("429", "sim-chat.fail-429", 429, "rate_limit_exceeded"),
        # longer than the maximum backoff: not waited for, but passed on
        Row("429 and Retry-After", "sim-chat.fail-429.retry-7", 429, "rate_limit_exceeded", False, retry_after="7"),
        Row("500", "sim-chat.fail-500", 502, "upstream_error"),
        Row("503", "sim-chat.fail-503", 503, "overloaded"),
        Row("503 and Retry-After", "sim-chat.fail-503.retry-7", 503, "overloaded", False, retry_after="7"),
        Row("529", "sim-chat.fail-529", 503, "overloaded"),
        Row("504", "sim-chat.fail-504", 504, "upstream_timeout", billed=True, outcome="timeout"),
        Row("401", "sim-chat.fail-401", 502, "provider_auth_error", again=False),
        Row("403", "sim-chat.fail-403", 502, "provider_auth_error", again=False),
        Row("404", "sim-chat.fail-404", 404, "model_not_found", again=False),
        Row("400", "sim-chat.fail-400", 400, _REFUSED, again=False, moves=False, outcome="refused"),
    ]


def _silences() -> list[Row]:
    code = "upstream_timeout"
    outcome: Outcome = "timeout"
    rows = [
        Row("hangs before the head", "sim-chat.hang", 504, code, outcome=outcome, billed=True),
        Row("drips its first event", "sim-chat.drip-20", 504, code, outcome=outcome, billed=True),
    ]
    rows += [_after(count, "stall", 504, code, outcome) for count in COUNTS]
    return rows


def _deaths() -> list[Row]:
    return [
        Row("drop before the head", "sim-chat.drop", 502, "upstream_died", billed=True),
        Row("reset before the head", "sim-chat.reset", 502, "upstream_died", billed=True),
        *(_after(count, kind, 502, "upstream_died") for kind in ("drop", "reset", "eof") for count in COUNTS),
    ]


def _reports() -> list[Row]:
    return [
        *(_after(count, "malformed", 502, "malformed_event") for count in COUNTS),
        *(_after(count, "error-500", 502, _BROKEN) for count in COUNTS),
    ]


def _after(
    count: int, kind: str, status: int, code: str | Mapping[str, str], outcome: Outcome = "upstream_error"
) -> Row:
    """Make a failure after some pieces, well apart from the first, so that no text of its own batch has been sent."""
    model = f"sim-chat.pace-{20 if count > 1 else 200}.after-{count}-{kind}"
    late = count > 0
    return Row(f"{kind} after {count}", model, status, code, late=late, billed=True, worked=count, outcome=outcome)


ROWS = (*_refusals(), *_silences(), *_deaths(), *_reports())


@asynccontextmanager
async def unreachable() -> AsyncIterator[tuple[int, int]]:
    """Reserve two ports while the block runs: one refuses connections, and one answers TLS with something else."""

    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is no TLS\r\n")
        await reader.read()
        writer.close()

    garbled = await asyncio.start_server(garble, "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with garbled:
            yield closed.getsockname()[1], garbled.sockets[0].getsockname()[1]
