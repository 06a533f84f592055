"""The failure matrix: three providers, every failure, streamed and whole, with and without a fallback.

Each cell asserts the client's result, the number of calls to the provider, that every connection of a failed attempt
was closed, and the record of the request, its attempts and its bill.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from proxy.accounting.record import Record
from proxy.routing.targets import Targets
from tests.end_to_end.clients import CHAT, ask, data_of, failure_of, plain
from tests.end_to_end.failing import ATTEMPTS, PROVIDERS, ROWS, Row, unreachable
from tests.end_to_end.running import CONFIG, Running, fresh, running
from tests.end_to_end.wire import until

pytestmark = pytest.mark.anyio

RETRIES = "retries: {{attempts: 3, budget: 1, backoff: {{initial: 0.01, max: 0.05}}, cooldown: {{failures: 1000000}}}}"
MATRIX = (
    CONFIG.replace("retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}", RETRIES)
    + """
  spare: {{target: openai/sim-chat}}
"""
).replace("models:", "PLACES\nmodels:\nMODELS")


def _places(down: int, garbled: int) -> str:
    lines = []
    for prefix, origin in (("down-", f"http://127.0.0.1:{down}"), ("tls-", f"https://127.0.0.1:{garbled}")):
        for api in PROVIDERS:
            path = "/v1" if api == "openai" else ""
            lines.append(f'  {prefix}{api}: {{{{api: {api}, api_key: provider-key, base_url: "{origin}{path}"}}}}')
    return "\n".join(lines)


def _models() -> str:
    lines = []
    for prefix in ("", "down-", "tls-"):
        for api in PROVIDERS:
            name = f"{prefix}{api}"
            lines.append(f'  "safe-{name}-*": {{{{target: "{name}/*", fallbacks: [spare]}}}}')
            if prefix:
                lines.append(f'  "{name}-*": {{{{target: "{name}/*"}}}}')
    return "\n".join(lines)


@pytest.fixture(scope="module")
async def gateways(anyio_backend: object) -> AsyncIterator[dict[bool, Running]]:
    """Two gateways: one with long limits, and one (True) with almost no patience, for silent providers."""
    async with unreachable() as ports:
        config = MATRIX.replace("PLACES", _places(*ports)).replace("MODELS", _models())
        hasty = "timeouts: {{first_token: 1, idle: 1}}"  # a busy machine still asks within it
        async with running(config) as patient, running(config, hasty) as impatient:
            yield {False: patient, True: impatient}


@dataclass(frozen=True, slots=True)
class Cell:
    """One request of a row."""

    row: Row
    provider: str
    stream: bool
    safe: bool

    @property
    def name(self) -> str:
        return f"{self.provider} {'streamed' if self.stream else 'whole'} {'with fallback' if self.safe else 'alone'}"

    @property
    def model(self) -> str:
        return f"{'safe-' if self.safe else ''}{self.row.prefix}{self.provider}-{self.row.model}"

    @property
    def begun(self) -> bool:
        """True if the client gets an event before the failure."""
        return self.row.late and self.stream

    @property
    def attempts(self) -> int:
        """The expected number of attempts at the failing target."""
        return ATTEMPTS if self.row.again and not self.begun else 1

    @property
    def saved(self) -> bool:
        """True if the fallback serves it."""
        return self.safe and self.row.moves and not self.begun


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
async def test_the_matrix(gateways: dict[bool, Running], row: Row) -> None:
    cells = [Cell(row, api, stream, safe) for api in PROVIDERS for stream in (True, False) for safe in (True, False)]
    async with fresh(gateways[row.outcome == "timeout"]) as run:
        run.gateway.targets = Targets(run.gateway.config.retries, run.gateway.config.server)  # a full budget
        wrong = await asyncio.gather(*(_check(run, cell) for cell in cells), return_exceptions=True)
        for error in filter(None, wrong):
            raise error
        assert len(run.records) == len(cells)


async def _check(run: Running, cell: Cell) -> None:
    async with plain(run.url) as http:
        response = await http.post(CHAT, json=ask(cell.model, cell.name, stream=cell.stream))
    await until(lambda: _record(run, response.headers["x-sluice-id"]))
    record = _record(run, response.headers["x-sluice-id"])
    assert record is not None
    calls = [call for call in run.sim.calls if cell.name.encode() in call.request.body]
    failed = calls if not cell.saved else calls[:-1]
    got: dict[str, Any] = {"cell": cell.name, **_client(cell, response), **_told(cell, record)}
    assert got == {"cell": cell.name, **_expected(cell)}
    assert len(failed) == (cell.attempts if cell.row.reached else 0), (cell.name, calls)
    assert len(calls) - len(failed) == cell.saved
    await until(lambda: all(call.outcome for call in calls))
    _check_bill(cell, record)


async def test_what_speaks_no_tls_is_not_said_to_have_a_certificate(gateways: dict[bool, Running]) -> None:
    async with plain(gateways[False].url) as http:
        message = (await http.post(CHAT, json=ask("tls-openai-sim-chat"))).json()["error"]["message"]
    assert "speaks no TLS" in message and "certificate" not in message


def _record(run: Running, id: str) -> Record | None:
    return next((record for record in run.records if record.id == id), None)


# ---- actual results
def _client(cell: Cell, response: Any) -> dict[str, Any]:
    got = {"status": response.status_code, "target": response.headers["x-sluice-target"]}
    if response.status_code != 200:
        got |= {"error": response.json()["error"]["code"], "retry_after": response.headers.get("retry-after")}
        return got | {"again": response.headers.get("x-should-retry")}
    if not cell.stream:
        return got | {"finish": response.json()["choices"][0]["finish_reason"]}
    events = data_of(response.text)
    if events[-1] == "[DONE]":
        return got | {"finish": "stop"}
    chunks, error = failure_of(response.text)
    return got | {"error": error["code"], "text": bool(chunks)}


def _told(cell: Cell, record: Record) -> dict[str, Any]:
    return {
        "outcome": record.outcome,
        "record": (record.status, record.target),
        "tries": [(entry.reason, entry.error) for entry in record.tries],
    }


# ---- expected results
def _expected(cell: Cell) -> dict[str, Any]:
    row = cell.row
    own = f"{row.prefix}{cell.provider}/{row.model}"
    code = _code(cell)
    tries: list[tuple[str, str | None]] = [("initial", code), *[("retry", code)] * (cell.attempts - 1)]
    if cell.saved:
        target = "openai/sim-chat"
        told = {"outcome": "completed", "record": (200, target), "tries": [*tries, ("fallback", None)]}
        return {"status": 200, "target": target, "finish": "stop", **told}
    if cell.begun:
        told = {"outcome": row.outcome, "record": (200, own), "tries": tries}
        return {"status": 200, "target": own, "error": code, "text": True, **told}
    return {
        "status": row.status,
        "target": own,
        "error": code,
        "retry_after": row.retry_after,
        "again": "false" if cell.attempts > 1 else None,
        "outcome": row.outcome,
        "record": (row.status, own),
        "tries": tries,
    }


def _code(cell: Cell) -> str:
    code = cell.row.code
    return code if isinstance(code, str) else code[cell.provider]


def _check_bill(cell: Cell, record: Record) -> None:
    bill = record.bill
    if not cell.row.billed and not cell.saved:
        assert bill is None, cell.name
        return
    assert bill is not None and bill.usage.prompt > 0, cell.name
    assert (bill.completion == "estimated") == cell.row.billed, cell.name
    assert (bill.usage.completion > 0) == (cell.saved or cell.row.worked > 0), cell.name
    assert bill.usage.completion >= cell.row.worked * cell.attempts, cell.name
