"""POST /v1/chat/completions: from the client's bytes to a job for the driver; and its cancel.

Rule: whatever is wrong with a request is found here, before anything goes to a provider.
"""

import logging
from typing import Any

from policies.work import Work
from proxy.access.keys import Client
from proxy.api.plan import Plan, find
from proxy.api.surface import ClientLeft, admit, id_headers, mint_id, read_body, refuse, respond
from proxy.api.validate import parse_body, validate
from proxy.config.models import Config
from proxy.downstream import Downstream, Headers, Receive, Scope, Send
from proxy.errors import GatewayError, PolicyFailed
from proxy.gateway import Gateway
from proxy.interrupts import Interrupts, Reason
from proxy.job import Job
from proxy.logs import where_it_failed
from proxy.observer import Observer
from proxy.record import Outcome, Record
from proxy.slots import Overloaded
from proxy.stream import Driver
from proxy.streams import InFlight
from proxy.tasks import spawn
from proxy.version import Version

log = logging.getLogger("sluice")


class ChatCompletions:
    """The endpoint, as a raw ASGI application: no framework object stands between the driver and `send`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        version = self._gateway.version  # this one to the end, whatever is loaded meanwhile
        record = Record(mint_id(), model="", stream=False, version=version.id)
        headers = id_headers(scope, record.id)
        observer = self._gateway.telemetry.observe(scope, record)
        if record.trace_id is not None:
            headers.append((b"x-trace-id", record.trace_id.encode()))
        if version.id:
            headers.append((b"x-sluice-config", version.id.encode()))
        try:
            await self._answer(_Connection(scope, receive, send, headers), version, record, observer)
        except GatewayError as error:
            record.outcome = _outcome(error)
            record.status, record.error = error.status, error.code
            await refuse(send, error, headers)
        except ClientLeft:
            record.outcome = "client_cancelled"
        except Exception as failure:  # a fault of ours, outside of the driver
            log.error("%s: failed with %s", record.id, where_it_failed(failure))
            ours = GatewayError("The gateway failed; the operator finds the cause in its log.", code="internal_error")
            record.status, record.error = ours.status, ours.code
            await refuse(send, ours, headers)
        finally:
            self._gateway.record(record)
            observer.over(record)

    async def _answer(self, connection: "_Connection", version: Version, record: Record, observer: Observer) -> None:
        client = admit(version, connection.scope)
        record.client = client.name
        slots = self._gateway.streams.slots
        await slots.take("The gateway")
        try:
            job = await self._job(connection, version, client, record, observer)
            await self._drive(job, client, version.config, connection)
        finally:
            slots.give_back()

    async def _job(
        self, connection: "_Connection", version: Version, client: Client, record: Record, observer: Observer
    ) -> Job:
        most = int(version.config.server.max_body_mb * 2**20)
        body = await read_body(connection.scope, connection.receive, most)
        request = validate(parse_body(body))
        record.model, record.stream = request.model, request.stream
        standing = find(version, request.model, client)
        work = Work.of_body(len(body))
        plan = Plan(self._gateway, version, request, standing, record, observer, work, len(body))
        route = plan.route()
        for basis in standing.bases:
            await self._gateway.ready(basis)
        turns = self._gateway.turns
        return Job(request.stream, request.n, route, plan.prepare, record, observer, turns, plan.redact)

    async def _drive(self, job: Job, client: Client, config: Config, connection: "_Connection") -> None:
        interrupts = Interrupts(config.timeouts, config.server.keep_alive)
        down = Downstream(connection.scope, connection.send, connection.headers, interrupts)
        driver = Driver(job, down, interrupts)
        given = dict(connection.headers)[b"x-request-id"].decode()
        self._gateway.streams.add(InFlight(job.record, interrupts, client, driver.progress, given))
        watcher = spawn(_watch(connection.receive, interrupts))
        try:
            await driver.run()
        finally:
            watcher.cancel()
            self._gateway.streams.remove(job.record.id)


class CancelCompletion:
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
    """The ASGI triple of one request, and the headers that go with its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers = headers


async def _watch(receive: Receive, interrupts: Interrupts) -> None:
    """Interrupt the request when its client leaves; running from before the upstream call until the end."""
    while (await receive())["type"] != "http.disconnect":
        pass
    interrupts.fire(Reason.CLIENT_LEFT)


def _outcome(error: GatewayError) -> Outcome:
    match error:
        case Overloaded():
            return "shed"
        case PolicyFailed():
            return "policy_error"
        case _:
            return "refused"
