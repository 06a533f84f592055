"""Record of the calls that the simulator received: the provider's side in tests.

A call is noted when its request is complete, whatever becomes of it. `closed_by_client` is set when the simulator
notices that the client left before the answer ended. It is never set if the simulator ended the answer.
"""

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from proxy.simulator.http import Request
from proxy.simulator.script import Outcome, Script

_SECRET = frozenset({"authorization", "x-api-key", "x-goog-api-key", "cookie"})
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(slots=True, repr=False, eq=False)
class Call:
    """One call. Times are the event loop's, None until they are known.

    `chunks_sent` counts pieces of text, `bytes_sent` the bytes handed to the socket. `connection` numbers the client's
    connections, to show reuse. `outcome` is None while the call runs.
    """

    number: int
    provider: str
    request: Request
    connection: int
    started: float
    model: str = ""
    first_byte: float | None = None
    finished: float | None = None
    left_at: float | None = None
    chunks_sent: int = 0
    bytes_sent: int = 0
    outcome: Outcome | None = None
    closed_by_client: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _script: Script | None = None
    _text: str = ""
    _wall: float = field(default_factory=time.time)

    def __repr__(self) -> str:
        return f"<Call {self.number} {self.provider} {self.model} {self.outcome or 'running'}>"

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, with lower-case names."""
        return dict(self.request.headers)

    @property
    def body(self) -> Any:
        """The request's body, parsed. None if it is not JSON."""
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError):
            return None

    @property
    def text_sent(self) -> str:
        """The text of all pieces sent so far, in order."""
        if self._script is None:
            return self._text
        return "".join(piece.text for piece in self._script.pieces[: self.chunks_sent])

    async def left(self, timeout: float = 2) -> float:
        """Wait until the client leaves before the end of the answer. Return the loop's time of that. Raises
        TimeoutError.
        """
        async with asyncio.timeout(timeout):
            await self.closed_by_client.wait()
        assert self.left_at is not None
        return self.left_at

    async def end(self, timeout: float = 2) -> Outcome:
        """Wait until the call is over and return its outcome. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self.ended.wait()
        assert self.outcome is not None
        return self.outcome

    def begin(self, script: Script) -> None:
        """Record the script of the answer that begins."""
        self._script = script

    def close(self, now: float, outcome: Outcome) -> None:
        """Record the end. Release the script, because it may be large and calls are kept."""
        self._text, self._script = self.text_sent, None
        self.outcome = outcome
        self.finished = now
        if outcome == "client_left":
            self.left_at = now
            self.closed_by_client.set()
        self.ended.set()

    def summary(self) -> dict[str, Any]:
        """Return the call as JSON data. Times are Unix times, and keys are hidden."""
        shift = self._wall - self.started

        def wall(moment: float | None) -> float | None:
            return None if moment is None else moment + shift

        return {
            "number": self.number,
            "provider": self.provider,
            "path": self.path,
            "model": self.model,
            "headers": {name: "***" if name in _SECRET else value for name, value in self.headers.items()},
            "body": self.body,
            "connection": self.connection,
            "started": wall(self.started),
            "first_byte": wall(self.first_byte),
            "finished": wall(self.finished),
            "client_left": wall(self.left_at),
            "chunks_sent": self.chunks_sent,
            "bytes_sent": self.bytes_sent,
            "text_sent": self.text_sent,
            "outcome": self.outcome,
        }


class Calls(deque[Call]):
    """The latest calls, oldest first, limited in number and in the bytes of their requests."""

    def __init__(self, keep: int) -> None:
        super().__init__(maxlen=keep)
        self._bytes = 0

    def note(self, call: Call) -> None:
        """Keep a call, and drop the oldest ones at a limit."""
        if len(self) == self.maxlen:
            self._drop()
        self.append(call)
        self._bytes += len(call.request.body)
        while self._bytes > _MAX_BYTES and len(self) > 1:
            self._drop()

    def forget(self) -> None:
        """Drop all calls."""
        self.clear()
        self._bytes = 0

    def _drop(self) -> None:
        self._bytes -= len(self.popleft().request.body)
