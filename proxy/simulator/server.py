"""The simulator as a server: it maps requests to scripts, and records calls.

It is one process with one event loop on loopback. A response is decided here, synchronously, before its first byte.
`connection` and `playback` only send it.
"""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from types import TracebackType
from typing import Self, TypeAlias

from proxy.simulator import control, names
from proxy.simulator.answers import Answer
from proxy.simulator.asks import Ask, Refused
from proxy.simulator.calls import Call, Calls
from proxy.simulator.connection import Connection
from proxy.simulator.formats import FORMATS, provider_of
from proxy.simulator.formats.base import Terms
from proxy.simulator.http import Request
from proxy.simulator.models import MODELS, limited, react
from proxy.simulator.pieces import tokens_of
from proxy.simulator.script import Script, refusal, script_of

Given: TypeAlias = Answer | Sequence[Answer] | Callable[[Ask], Answer]
"""A test's setting for a model: an answer, several answers in turn (the last one repeats), or a function of the
request.
"""

_SCRIPTS_KEPT = 64
_CREATED_STEP = 60


class Simulator:
    """A simulator of OpenAI, Anthropic and Gemini on one port.

    `async with Simulator() as sim:` serves on a free port of 127.0.0.1. `sim.url` is "http://127.0.0.1:port". `answers`
    maps models to exact answers. Other models answer by their name (see `names`).
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, keep: int = 10_000) -> None:
        self.host = host
        self.port = port
        self.answers: dict[str, Given] = {}
        self.calls = Calls(keep)
        self._untaken: deque[Call] = deque(maxlen=keep)
        self._arrived = asyncio.Event()
        self._count = 0
        self._connections: set[Connection] = set()
        self._unconnected = asyncio.Event()
        self._connected = 0
        self._answered: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._script_of = lru_cache(maxsize=_SCRIPTS_KEPT)(script_of)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """Number of open client connections."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen. Raises OSError if the port is in use."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self.host, self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            await self._unconnected.wait()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def next_call(self, timeout: float = 2) -> Call:
        """Return the next call that this method has not returned yet. Wait for one if necessary. Raises
        TimeoutError.
        """
        async with asyncio.timeout(timeout):
            while not self._untaken:
                self._arrived.clear()
                await self._arrived.wait()
        return self._untaken.popleft()

    def forget(self) -> None:
        """Drop all calls, and reset the call counts of the models."""
        self.calls.forget()
        self._untaken.clear()
        self._answered.clear()

    def _connection(self) -> Connection:
        self._connected += 1
        connection = Connection(self._connected, self._respond, self._lost)
        self._connections.add(connection)
        self._unconnected.clear()
        return connection

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._unconnected.set()

    def _respond(self, connection: Connection, request: Request) -> tuple[Script, Call | None, bytes]:
        stamp = secrets.token_hex(12).encode()
        if (page := control.refused_page(request, self.host)) is not None:
            return page, None, stamp
        provider = provider_of(request.method, request.path)
        if provider is None:
            return control.respond(self, request), None, stamp
        self._count += 1
        now = asyncio.get_running_loop().time()
        call = Call(self._count, provider, request, connection.number, now)
        try:
            script = self._answer(provider, request, call)
        except Refused as refused:
            script = refusal(provider, refused)
        call.begin(script)
        self.calls.note(call)
        self._untaken.append(call)
        self._arrived.set()
        return script, call, stamp

    def _answer(self, provider: str, request: Request, call: Call) -> Script:
        form = FORMATS[provider]
        form.check_key(request.headers, request.query)
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Refused(400, "We could not parse the JSON body of your request: send valid JSON.") from None
        try:
            ask = form.read(body, request.path, request.query)
        except (TypeError, AttributeError, KeyError) as error:
            raise Refused(400, f"A member of the request has the wrong type: {error}") from None
        call.model = ask.model
        try:
            answer = self._choose(ask, request.headers.get("x-sim"))
        except names.BadName as error:
            raise Refused(404, str(error)) from None
        answer = self._with_fault(answer, ask.model)
        choices = answer.choices or ask.choices
        created = int(time.time()) // _CREATED_STEP * _CREATED_STEP
        tokens = tokens_of(answer, ask, choices)
        terms = Terms(
            ask.model, choices, tokens, ask.include_usage, created, ask.logprobs, ask.dimensions, ask.base64, ask.echo
        )
        return self._script_of(provider, answer, terms, ask.stream)

    def _choose(self, ask: Ask, header: str | None) -> Answer:
        """Return the answer set for the model, or the one that its name describes, shaped by the request."""
        asked, members = names.parse_header(header)
        given = self.answers.get(ask.model)
        if given is not None:
            answer = names.apply(self._given(given, ask), asked)
        else:
            model, options = names.parse(ask.model)
            answer = limited(react(names.apply(MODELS[model](ask), options + asked), ask), ask)
        return replace(answer, **members)

    def _given(self, given: Given, ask: Ask) -> Answer:
        if isinstance(given, Answer):
            return given
        if callable(given):
            return given(ask)
        return given[min(self._answered.get(ask.model, 0), len(given) - 1)]

    def _with_fault(self, answer: Answer, model: str) -> Answer:
        """Count the call. Return the answer, without its fault if the fault has happened often enough."""
        earlier = self._answered.get(model, 0)
        self._answered[model] = earlier + 1
        fault = answer.fault
        spent = fault is not None and fault.times is not None and earlier >= fault.times
        return replace(answer, fault=None) if spent else answer
