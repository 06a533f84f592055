"""The endpoint of an operation, such as POST /v1/chat/completions: from the client's bytes to an `Execution`; and
its cancel.

Rule: whatever is wrong with a request is found here, before anything goes to a provider.
"""

import asyncio
import logging
from typing import Any, NamedTuple

from policies import estimate
from policies.steps import Steps
from policies.work import Work
from proxy.access.bodies import Lease
from proxy.access.keys import Client
from proxy.access.slots import Slots
from proxy.accounting.record import Record
from proxy.api.http_common import (
    ClientLeft,
    admit,
    has_long_body,
    id_headers,
    mint_id,
    peer_address,
    read_body,
    refuse,
    respond,
)
from proxy.api.plan import RequestPlanner, Weight, find
from proxy.config.models import Config
from proxy.errors import GatewayError
from proxy.formats.footprint import bound, footprint
from proxy.formats.json_body import is_large, parse_body
from proxy.formats.operation import ClientRequest, Operation
from proxy.gateway import Gateway
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.driver import Driver
from proxy.streaming.ending import Ending, outcome_of
from proxy.streaming.execution import Execution
from proxy.streaming.interruption import Interruption, Reason
from proxy.streaming.observer import Observer
from proxy.streaming.registry import InFlight
from proxy.streaming.response import Downstream, Headers, Receive, Scope, Send
from proxy.tasks import spawn
from proxy.telemetry.logs import where_it_failed
from proxy.version import Version

log = logging.getLogger("sluice")

_WHAT = "The gateway"


class OperationEndpoint:
    """The endpoint of one operation. It is a raw ASGI application, so no framework object stands between the driver and
    `send`."""

    def __init__(self, gateway: Gateway, operation: Operation) -> None:
        self._gateway = gateway
        self._operation = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = self._gateway.version  # this one to the end, whatever is loaded meanwhile
        minted, name = mint_id(self._operation.id_prefix), self._operation.name
        record = Record(minted, model="", stream=False, version=version.id, operation=name)
        record.address = peer_address(scope, version)
        headers = id_headers(scope, record.id)
        observer = self._gateway.telemetry.observe(scope, record)
        if record.trace_id is not None:
            headers.append((b"x-trace-id", record.trace_id.encode()))
        if version.id:
            headers.append((b"x-sluice-config", version.id.encode()))
        connection = _Connection(scope, receive, send, headers)
        ending = Ending(record, self._gateway.record, observer.over)
        try:
            await self._answer(connection, version, _Watched(record, observer, ending))
        except GatewayError as error:
            ending.outcome(outcome_of(error), error)
            ending.release()
            record.status = error.status
            await refuse(send, error, headers, ends=connection.unread and has_long_body(scope))
        except ClientLeft:
            ending.outcome("client_cancelled")
        except Exception as failure:  # a fault of ours, outside of the driver
            log.error("%s: failed with %s", record.id, where_it_failed(failure))
            ours = GatewayError("The gateway failed; the operator finds the cause in its log.", code="internal_error")
            ending.outcome("failed", ours)
            ending.release()
            record.status = ours.status
            await refuse(send, ours, headers)
        finally:
            ending.finish()

    async def _answer(self, connection: "_Connection", version: Version, watched: "_Watched") -> None:
        client = admit(version, connection.scope)
        watched.record.client = client.name
        slots = self._gateway.streams.slots
        slots.check(_WHAT, client.name)  # before the body is read, so that a flood costs little
        lease = self._gateway.bodies.lease(client.name)
        watched.ending.owns(lease.release)
        execution = await self._execution(connection, version, client, watched, lease)
        await self._place(connection, slots, client.name)
        watched.ending.owns(slots.give_back, client.name)
        await self._drive(execution, client, version.config, connection, watched.ending)

    async def _execution(
        self, connection: "_Connection", version: Version, client: Client, watched: "_Watched", lease: Lease
    ) -> Execution:
        record, observer, _ = watched
        request, weight = await self._request(connection, version, lease)
        record.model, record.stream = request.model, request.stream
        standing = find(version, request.model, client)
        plan = RequestPlanner(self._gateway, version, self._operation, request, standing, record, observer, weight)
        route = plan.route()
        for basis in standing.bases:
            await self._gateway.ready(basis)
        turns, body = self._gateway.turns, request.body
        return Execution(
            request.stream, request.n, route, plan.prepare, record, observer, turns, body, lease, plan.redact
        )

    async def _request(self, connection: "_Connection", version: Version, lease: Lease) -> tuple[ClientRequest, Weight]:
        """The request, and what its body weighs. The body's bytes are dropped with that."""
        most = int(version.config.server.max_body_mb * 2**20)
        raw = await read_body(connection.scope, connection.receive, most, lease)
        connection.unread = False
        return await self._gateway.turns.take(_read(self._operation, raw, lease), _nothing)

    async def _place(self, connection: "_Connection", slots: Slots, key: str) -> None:
        """Take one of the gateway's places. Raises `Overloaded`, and `ClientLeft` when the client leaves."""
        if slots.free:
            await slots.take(_WHAT, key)
            return
        taking, leaving = spawn(slots.take(_WHAT, key)), spawn(_left(connection.receive))
        try:
            await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                raise ClientLeft
            taking.result()
        except BaseException:
            slots.forgo(taking, key)
            raise
        finally:
            leaving.cancel()

    async def _drive(
        self, execution: Execution, client: Client, config: Config, connection: "_Connection", ending: Ending
    ) -> None:
        deadlines = Deadlines(config.timeouts, config.server.keep_alive)
        down = Downstream(connection.scope, connection.send, connection.headers, deadlines)
        driver = Driver(execution, down, deadlines, ending)
        ending.owns(deadlines.close)
        given = dict(connection.headers)[b"x-request-id"].decode()
        self._gateway.streams.add(InFlight(execution.record, deadlines.interruption, client, driver.progress, given))
        ending.owns(self._gateway.streams.remove, execution.record.id)
        ending.owns(spawn(_watch(connection.receive, deadlines.interruption)).cancel)
        await driver.run()


class CancelOperation:
    """POST /v1/chat/completions/{id}/cancel: stop a stream in flight."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id: str = scope["path_params"]["id"]
        headers = id_headers(scope, mint_id())
        try:
            self._gateway.streams.cancel(id, admit(self._gateway.version, scope))
        except GatewayError as error:
            await refuse(send, error, headers)
            return
        answer: dict[str, Any] = {"id": id, "object": "chat.completion.cancellation", "cancelled": True}
        await respond(send, 200, answer, headers)


class _Connection:
    """The ASGI triple of one request, and the headers that go with its response. `unread`: its body has not come in
    full."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers = headers
        self.unread = True


class _Watched(NamedTuple):
    """What goes with a request from its arrival to its end."""

    record: Record
    observer: Observer
    ending: Ending


def _read(operation: Operation, raw: bytes, lease: Lease) -> Steps[tuple[ClientRequest, Weight]]:
    """The request that a body holds, and its weight. Raises `InvalidRequest`."""
    most = 0

    def hold(values: int, containers: int) -> Steps[None]:
        nonlocal most
        most = yield from bound(raw, values, containers)
        lease.hold(most)

    body = yield from parse_body(raw, hold)
    lease.hold(footprint(body, raw, most))
    request = yield from operation.read(body)
    large = yield from is_large(raw)
    tokens = (yield from estimate.prompt_steps(request.body, operation.texts)) if large else None
    return request, Weight(len(raw), large, Work.of_body(len(raw)), tokens)


async def _nothing() -> None:
    """What is to be done between two slices of reading a request."""


async def _watch(receive: Receive, interruption: Interruption) -> None:
    """Interrupt the request when its client leaves; running from before the upstream call until the end."""
    await _left(receive)
    interruption.fire(Reason.CLIENT_LEFT)


async def _left(receive: Receive) -> None:
    """Wait until the client leaves. The body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass
