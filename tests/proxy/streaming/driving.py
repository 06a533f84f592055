"""Shared parts of the driver's tests: a provider that sends batches of events, a client that takes messages, and a run
of the driver between them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

from policies.base import Context, Policy, Request
from policies.chain import Chain
from policies.events import End, Event, Finish, Text, Verdict
from policies.steps import Steps
from proxy.access.bodies import Bodies
from proxy.accounting.record import Record
from proxy.config.models import Cooldown, Model, Retries, Server, Target, Timeouts
from proxy.config.resolve import ResolvedTarget
from proxy.errors import UpstreamError
from proxy.formats.base import DecodeError, Meta
from proxy.formats.openai_chat.completion import CompletionAccumulator
from proxy.formats.openai_chat.encode import ChunkEncoder
from proxy.providers.base import Answer, BatchResult, Call, OnBatch
from proxy.routing.route import Group, Route
from proxy.routing.targets import Targets
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.driver import Driver
from proxy.streaming.ending import Ending
from proxy.streaming.execution import Execution, PreparedAttempt, Sink
from proxy.streaming.interruption import Interruption
from proxy.streaming.observer import Unobserved
from proxy.streaming.response import Downstream, Message
from proxy.streaming.sinks import JsonSink, StreamSink
from proxy.tasks import spawn
from proxy.turns import Turns
from tests.end_to_end.wire import Response
from tests.proxy.providers.calls import call

Said: TypeAlias = Sequence[Event | DecodeError] | Exception | asyncio.Event
"""A provider's next action: it sends a batch, fails, or waits until the event is set."""

LONG = Timeouts(first_token=60, idle=60, write=60, total=60)
NATURAL = End("natural")
DIED = UpstreamError("The provider died.", code="upstream_died")
HELLO: list[Event] = [Text(0, "content", "Hello"), Finish(0, "stop"), End("natural")]


def text(words: str, choice: int = 0) -> Text:
    return Text(choice, "content", words)


def never() -> asyncio.Event:
    """Silence for ever."""
    return asyncio.Event()


@dataclass
class Provider:
    """An upstream and its one answer. `opening` is awaited before there is an answer. `at_once`: its batches go to who
    takes them as they arrive, as a native answer's do while somebody waits."""

    at_once: ClassVar[bool] = False
    keeps_body: ClassVar[bool] = False
    said: list[Said]
    opening: Said = ()
    meta: Meta = field(default_factory=lambda: Meta(id="provider-1"))
    opened: int = 0
    reads: int = 0
    closed: int = 0

    async def open(self, call: Call) -> Answer:
        self.opened += 1
        try:
            await self._next(self.opening)
        except asyncio.CancelledError:
            self.closed += 1
            raise
        return self

    async def read(self, on_batch: OnBatch | None = None) -> Sequence[Event | DecodeError]:
        while True:
            batch = await self._next(self.said[0] if self.said else never())
            self.said.pop(0)
            self.reads += 1
            result = on_batch(batch) if batch and on_batch is not None and self.at_once else BatchResult.LEFT
            if batch and result is not BatchResult.DONE:
                return batch if result is BatchResult.LEFT else ()

    async def aclose(self) -> None:
        self.closed += 1

    async def _next(self, said: Said) -> Sequence[Event | DecodeError]:
        match said:
            case Exception():
                raise said
            case asyncio.Event():
                await said.wait()
                return ()
            case _:
                return said


@dataclass
class Client:
    """An ASGI client and its server: `messages` are what came; a send waits while `reads` is not set. `at_once`: until
    then it takes pieces without a wait."""

    at_once: ClassVar[bool] = False
    messages: list[Message] = field(default_factory=list)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    aborted: bool = False
    left: int = 0

    def __post_init__(self) -> None:
        self.reads.set()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        self.messages.append(message)

    def write(self, data: bytes) -> bool:
        """Take a piece at once, or leave it to `send`."""
        if not self.at_once or not self.reads.is_set():
            return False
        self.messages.append({"type": "http.response.body", "body": data, "more_body": True})
        return True

    def abort(self) -> None:
        self.aborted = True

    def unread(self) -> int:
        return self.left

    @property
    def response(self) -> Response:
        """The data received so far, as a response."""
        response = Response()
        for message in self.messages:
            if message["type"] == "http.response.start":
                assert response.status == 0, "the response was started twice"
                response.status = message["status"]
                response.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                assert response.status and not response.complete
                response.body += message["body"]
                response.complete = not message["more_body"]
        return response

    @property
    def bodies(self) -> list[bytes]:
        """The body messages that were not empty."""
        return [message["body"] for message in self.messages if message.get("body")]


class Through:
    """A policy that returns its function's result for each event. `seen` are all events."""

    name = "through"

    def __init__(self, feed: Callable[[Event], Iterable[Verdict]] = lambda event: [event]) -> None:
        self.deadline: float | None = None
        self.seen: list[Event] = []
        self._feed = feed

    def request(self, request: Request) -> Request:
        return request

    def feed(self, event: Event) -> Iterable[Verdict]:
        self.seen.append(event)
        return self._feed(event)


def ends(policy: Through) -> list[str]:
    """List the answer's ends as a policy saw them."""
    return [event.kind for event in policy.seen if isinstance(event, End)]


@dataclass
class Run:
    """A running driver. `finished` returns the response when it is done."""

    provider: Provider
    client: Client
    record: Record
    interruption: Interruption
    task: asyncio.Task[None]

    async def finished(self) -> Response:
        async with asyncio.timeout(5):
            await self.task
        return self.client.response


@dataclass(frozen=True)
class Asked:
    """A request, its client, and the gateway's settings for it."""

    stream: bool = True
    choices: int = 1
    policies: Sequence[Policy] = ()
    limits: Timeouts = LONG
    keep_alive: float = 60
    usage: bool = False
    attempts: int = 1


WHOLE = Asked(stream=False)


def only_route(attempts: int = 1) -> Route:
    """Make the route of a request that one target can serve."""
    retries = Retries(attempts=attempts, cooldown=Cooldown(failures=1000))
    place = ResolvedTarget(
        "openai", call("openai").provider, "openai", "m", Model(target="openai/m"), Target(target="openai/m")
    )
    return Route([Group([place], "only")], Targets(retries, Server()), retries)


def seen(chain: Chain, asking: Call) -> Steps[Call]:
    """The call, once the chain has seen its request, as `proxy.api.plan` makes it."""
    request = yield from chain.request(Request(asking.body))
    assert isinstance(request, Request)
    return replace(asking, body=request.body)


async def drive(provider: Provider, asked: Asked = Asked(), client: Client | None = None) -> Run:
    """Start the driver, as `proxy.api.endpoint` does."""
    taker = client or Client()
    record = Record("chatcmpl-1", "alias", asked.stream)
    context = Context("alias", asyncio.get_running_loop().time, choices=asked.choices)

    def prepare(place: ResolvedTarget, spent: float) -> PreparedAttempt:
        sink: Sink = JsonSink(CompletionAccumulator("chatcmpl-1", 0, "m"))
        if asked.stream:
            sink = StreamSink(ChunkEncoder("chatcmpl-1", 0, "m", include_usage=asked.usage))
        asking = call("openai", stream=asked.stream)
        chain = Chain(asked.policies)
        return PreparedAttempt(place, seen(chain, asking), chain, context, sink, provider)

    route = only_route(asked.attempts)
    lease = Bodies(2**30, 2**30).lease("test")
    execution = Execution(asked.stream, asked.choices, route, prepare, record, Unobserved(), Turns(), {}, lease)
    made: asyncio.Future[Interruption] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        deadlines = Deadlines(asked.limits, asked.keep_alive)
        made.set_result(deadlines.interruption)
        scope: dict[str, Any] = {"extensions": {"sluice.connection": taker}}
        ending = Ending(record)
        ending.owns(deadlines.close)
        down = Downstream(scope, taker.send, [(b"x-id", b"1")], deadlines)
        try:
            await Driver(execution, down, deadlines, ending).run()
        finally:
            ending.finish()

    task = spawn(run())
    return Run(provider, taker, record, await made, task)


async def driven(said: Sequence[Said], asked: Asked = Asked()) -> Run:
    """A run that is over."""
    run = await drive(Provider(list(said)), asked)
    await run.finished()
    assert run.provider.closed
    return run
