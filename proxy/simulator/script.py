"""The complete plan of a response, fixed before the first byte: bytes, times, and the connection's end.

Building a script is pure, and playing it decides nothing. A script is made once for each (format, answer, terms) and
shared by all streams that play it. `STAMP` marks the place of a stream's own ID.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.simulator.answers import Answer, InjectedFault
from proxy.simulator.asks import Refused
from proxy.simulator.formats import FORMATS
from proxy.simulator.formats.base import STAMP, Format, Terms
from proxy.simulator.http import LAST_CHUNK, chunk, head
from proxy.simulator.pieces import Piece, pieces_of

Then: TypeAlias = Literal["keep", "close", "reset", "stall"]
Outcome: TypeAlias = Literal["completed", "failed", "refused", "dropped", "reset", "client_left"]

_THENS: dict[str, Then] = {"drop": "close", "reset": "reset", "stall": "stall"}
_OUTCOMES: dict[str, Outcome] = {"drop": "dropped", "reset": "reset"}
_JSON = "application/json"
_STAMP_TEXT = STAMP.decode()


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes to write `at` seconds after the request. `told` is the number of pieces sent with them."""

    at: float
    data: bytes
    told: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """All steps of a response, the connection's end, and notes for the call's record.

    `cut` is the size of a TCP write, 0 for whole writes. `drip` is the seconds between TCP writes.
    """

    steps: tuple[Step, ...]
    then: Then = "keep"
    outcome: Outcome = "completed"
    pieces: tuple[Piece, ...] = ()
    cut: int = 0
    drip: float = 0


def plain(status: int, body: bytes, headers: Mapping[str, str] | None = None, *, at: float = 0) -> Script:
    """Make a whole response in one write."""
    told = {"content-type": _JSON, "content-length": str(len(body)), **(headers or {})}
    outcome: Outcome = "completed" if status < 400 else "refused" if status < 500 else "failed"
    return Script((Step(at, head(status, told) + body),), outcome=outcome)


def refusal(provider: str, refused: Refused, *, retry_after: int | None = None, at: float = 0) -> Script:
    """Make an error in the provider's own shape."""
    form = FORMATS[provider]
    headers = form.headers(_STAMP_TEXT)
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return plain(refused.status, form.error(refused, retry_after), headers, at=at)


def script_of(provider: str, answer: Answer, terms: Terms, stream: bool) -> Script:
    """Make the script of an answer with its fault."""
    fault = answer.fault
    if fault is None or fault.after is not None:
        return _streamed(FORMATS[provider], answer, terms) if stream else _whole(provider, answer, terms)
    if fault.kind == "status":
        return refusal(provider, _error(fault), retry_after=fault.retry_after, at=answer.head_delay)
    return Script((Step(answer.head_delay, b""),), *_end_of(fault))


def _streamed(form: Format, answer: Answer, terms: Terms) -> Script:
    telling, fault = form.stream(answer, terms), answer.fault
    headers = {
        "content-type": form.stream_type,
        "cache-control": "no-cache",
        "transfer-encoding": "chunked",
        **form.headers(_STAMP_TEXT),
    }
    stop = len(telling.chunks) if fault is None or fault.after is None else fault.after
    before, rest = telling.chunks[:stop], telling.chunks[stop:]
    opening = b"" if stop == 0 and fault else chunk(telling.opening)
    start = answer.head_delay + answer.first_delay
    at = start + answer.pace * max(0, len(before) - 1)
    closing = chunk(telling.closing) + LAST_CHUNK
    steps = [Step(answer.head_delay, head(200, headers) + opening), *_paced(before, answer, start)]
    then, outcome = _end_of(fault)
    if fault is None:
        steps.append(Step(at, closing, len(before)))
    elif fault.kind == "malformed":
        at = start + answer.pace * len(before)
        steps.append(Step(at, chunk(form.malformed()), len(before)))
        steps += _paced(rest, answer, at + answer.pace, told=len(before))
        steps.append(Step(at + answer.pace * len(rest), closing, len(telling.chunks)))
    else:
        told = chunk(form.error_event(_error(fault))) if fault.kind == "error" else b""
        told += b"" if fault.kind in _THENS else LAST_CHUNK
        steps.append(Step(at + answer.pace, told, len(before)))
    return Script(tuple(steps), then, outcome, telling.pieces, answer.write_size, answer.drip)


def _end_of(fault: InjectedFault | None) -> tuple[Then, Outcome]:
    if fault is None:
        return "keep", "completed"
    return _THENS.get(fault.kind, "keep"), _OUTCOMES.get(fault.kind, "failed")


def _paced(chunks: tuple[bytes, ...], answer: Answer, start: float, told: int = 0) -> Iterator[Step]:
    """Yield one step for each write of `batch` pieces, on an absolute schedule, so that the pace does not drift."""
    for first in range(0, len(chunks), answer.batch):
        together = chunks[first : first + answer.batch]
        data = b"".join(chunk(events) for events in together)
        yield Step(start + first * answer.pace, data, told + first + len(together))


def _whole(provider: str, answer: Answer, terms: Terms) -> Script:
    """Make the answer in one body, sent when all of it would have been streamed. A fault cuts the body in half."""
    form, fault = FORMATS[provider], answer.fault
    body = form.whole(answer, terms)
    pieces = pieces_of(answer, terms.choices)
    count = len(pieces) if fault is None else min(fault.after or 0, len(pieces))
    at = answer.head_delay + answer.first_delay + answer.pace * count
    if fault is not None and fault.kind == "error":
        return refusal(provider, _error(fault), retry_after=fault.retry_after, at=at)
    half = body if fault is None else body[: len(body) // 2]
    promised = body if fault and fault.kind in _THENS else half
    headers = {"content-type": _JSON, "content-length": str(len(promised)), **form.headers(_STAMP_TEXT)}
    step = Step(at, head(200, headers) + half, 0 if fault else len(pieces))
    then, outcome = _end_of(fault)
    return Script((step,), then, outcome, pieces, answer.write_size, answer.drip)


def _error(fault: InjectedFault) -> Refused:
    return Refused(fault.status, fault.message or f"The simulator was told to fail with {fault.status}.")
