"""POST /v1/chat/completions: from the client's bytes to a job for the driver; and its cancel.

Rule: whatever is wrong with a request is found here, before anything goes to a provider.
"""

import asyncio
import functools
import logging
import time
from dataclasses import replace
from typing import Any

from policies.base import Context, Refuse, Request
from proxy.access.keys import Client
from proxy.api.models import model_not_found
from proxy.api.sinks import StreamSink, WholeSink
from proxy.api.surface import ClientLeft, admit, id_headers, mint_id, read_body, refuse, respond
from proxy.api.validate import ChatRequest, parse_body, validate
from proxy.config.resolve import Place, Resolved, fallbacks, resolve
from proxy.downstream import Downstream, Headers, Receive, Scope, Send
from proxy.errors import Forbidden, GatewayError, InvalidRequest, PolicyFailed
from proxy.gateway import Gateway
from proxy.interrupts import Interrupts, Reason
from proxy.job import Job, Prepared, Sink
from proxy.observer import Unobserved
from proxy.passage import place as where
from proxy.pricing.models import target
from proxy.record import Outcome, Record
from proxy.routing.abilities import Needs, needs
from proxy.routing.order import Known
from proxy.routing.plan import groups
from proxy.routing.route import Route
from proxy.slots import Overloaded
from proxy.stream import Driver
from proxy.tasks import spawn
from proxy.upstreams import tokenizers
from proxy.upstreams.base import Call

log = logging.getLogger("sluice")


class ChatCompletions:
    """The endpoint, as a raw ASGI application: no framework object stands between the driver and `send`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = Record(mint_id(), model="", stream=False)
        headers = id_headers(scope, record.id)
        try:
            await self._answer(_Connection(scope, receive, send, headers), record)
        except GatewayError as error:
            record.outcome = _outcome(error)
            record.status, record.error = error.status, error.code
            await refuse(send, error, headers)
        except ClientLeft:
            record.outcome = "client_cancelled"
        finally:
            self._gateway.record(record)

    async def _answer(self, connection: "_Connection", record: Record) -> None:
        client = admit(self._gateway, connection.scope)
        record.client = client.name
        slots = self._gateway.streams.slots
        await slots.take("The gateway")
        try:
            await self._serve(connection, client, record)
        finally:
            slots.give_back()

    async def _serve(self, connection: "_Connection", client: Client, record: Record) -> None:
        most = int(self._gateway.config.server.max_body_mb * 2**20)
        body = await read_body(connection.scope, connection.receive, most)
        request = validate(parse_body(body))
        record.model, record.stream = request.model, request.stream
        resolved = self._resolve(request, client)
        route = self._route(resolved, needs(request.body, len(body)))
        if self._gateway.counts_tokens(resolved.settings):
            for basis in {tokenizers.basis(place.model) for group in route.groups for place in group.places}:
                await self._gateway.ready(basis)
        prepare = functools.partial(self._prepare, request, resolved, record)
        job = Job(request.stream, request.n, route, prepare, record, Unobserved())
        await self._drive(job, client, connection)

    def _resolve(self, request: ChatRequest, client: Client) -> Resolved:
        if not client.may_use(request.model):  # asked first, so that a key learns nothing of models beyond its own
            message = f"The key {client.name!r} may not use the model {request.model!r}: ask the operator to allow it."
            raise Forbidden(message, param="model", code="model_not_allowed")
        resolved = resolve(self._gateway.config, request.model)
        if resolved is None:
            raise model_not_found(self._gateway.config, request.model, client)
        return resolved

    def _route(self, resolved: Resolved, needed: Needs) -> Route:
        gateway = self._gateway
        known = Known(gateway.targets, gateway.config.prices, needed)
        return Route(groups([resolved, *fallbacks(gateway.config, resolved)], known), gateway.targets)

    def _prepare(
        self, request: ChatRequest, resolved: Resolved, record: Record, place: Place, spent: float
    ) -> Prepared:
        """An attempt at a target: a chain that has seen the request, and the call that it leaves to make. The policies
        are those of the model that was asked for, whichever serves. Raises `InvalidRequest` when one refuses."""
        context = replace(self._context(request, place), spent=spent)
        try:
            chain = self._gateway.chain(resolved.settings, context)
            seen = chain.request(Request(request.body))
        except Exception as failure:
            log.error("%s: a policy raised %s", record.id, where(failure))
            raise PolicyFailed("A policy of the gateway failed, so the request was refused.") from None
        if isinstance(seen, Refuse):
            raise InvalidRequest(seen.message, status=seen.status, code=seen.code)
        if self._gateway.counts_tokens(resolved.settings):
            record.tokenizer = tokenizers.basis(place.model)
        call = Call(
            id=record.id,
            body=seen.body,
            model=place.model,
            provider_name=place.provider_name,
            provider=place.provider,
            settings=place.settings,
            timeouts=self._gateway.config.timeouts,
            stream=request.stream,
            guarded=chain.guarded,
        )
        return Prepared(place, call, chain, context, _sink(request, place, record.id), self._gateway.upstream(place))

    def _context(self, request: ChatRequest, place: Place) -> Context:
        return Context(
            model=request.model,
            clock=asyncio.get_running_loop().time,
            json_answer=request.json_answer,
            choices=request.n,
            target=target(self._gateway.config.prices, place.provider_name, place.api, place.model),
            tokenizer=functools.partial(tokenizers.load, tokenizers.basis(place.model)),
        )

    async def _drive(self, job: Job, client: Client, connection: "_Connection") -> None:
        config = self._gateway.config
        interrupts = Interrupts(config.timeouts, config.server.keep_alive)
        down = Downstream(connection.scope, connection.send, connection.headers, interrupts)
        self._gateway.streams.add(job.record.id, interrupts, client)
        watcher = spawn(_watch(connection.receive, interrupts))
        try:
            await Driver(job, down, interrupts).run()
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
            self._gateway.streams.cancel(id, admit(self._gateway, scope))
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


def _sink(request: ChatRequest, place: Place, id: str) -> Sink:
    created = int(time.time())
    if request.stream:
        return StreamSink(id, created, place.model, include_usage=request.include_usage)
    return WholeSink(id, created, place.model)
