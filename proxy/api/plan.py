"""A valid request -> the targets that it may go to, and an attempt at each of them.

Rule: all of it by the version of the configuration that the request began with. The policies are those of the model
that was asked for, whichever serves.
"""

import asyncio
import functools
import logging
import time
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from policies import estimate
from policies.base import Context, Refuse, Request, Target
from policies.chain import Chain
from policies.events import Finish, Text
from policies.steps import Steps
from policies.work import OverBudget, Work
from proxy.access.keys import Client
from proxy.accounting import tokenizers
from proxy.accounting.pricing.models import target
from proxy.accounting.record import Record
from proxy.api.models import model_not_found
from proxy.config.resolve import ResolvedTarget
from proxy.errors import Forbidden, InvalidRequest, PolicyFailed, TooComplex
from proxy.formats.operation import ClientRequest, Operation
from proxy.gateway import Gateway
from proxy.providers.base import Call
from proxy.providers.registry import PROVIDERS
from proxy.routing.capabilities import needs
from proxy.routing.order import Known
from proxy.routing.plan import groups
from proxy.routing.route import Route
from proxy.streaming.execution import PreparedAttempt, Sink
from proxy.streaming.observer import Observer
from proxy.streaming.sinks import JsonSink, StreamSink, TeeSink
from proxy.telemetry.logs import where_it_failed
from proxy.version import ModelBinding, Version

log = logging.getLogger("sluice")


def find(version: Version, name: str, client: Client) -> ModelBinding:
    """What a model's name stands for. Raises `Forbidden` and `NotFound`."""
    if not client.may_use(name):  # asked first, so that a key learns nothing of models beyond its own
        message = f"The key {client.name!r} may not use the model {name!r}: ask the operator to allow it."
        raise Forbidden(message, param="model", code="model_not_allowed")
    standing = version.standing(name)
    if standing is None:
        raise model_not_found(version.config, name, client)
    return standing


class Weight(NamedTuple):
    """What a request weighs: the bytes of its body, whether mapping it takes too long for the event loop, and its
    budget for work. `tokens` is the estimate of its prompt where making it takes long, too."""

    size: int
    large: bool
    work: Work
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RequestPlanner:
    """One request's."""

    gateway: Gateway
    version: Version
    operation: Operation
    request: ClientRequest
    standing: ModelBinding
    record: Record
    observer: Observer
    weight: Weight
    kept: dict[Any, Any] = field(default_factory=dict)

    def route(self) -> Route:
        """The request's way. Raises `InvalidRequest` when no target can serve it."""
        needed = needs(self.operation, self.request.body, self.weight.size, self.weight.tokens)
        known = Known(self.gateway.targets, self.version.config.prices, needed)
        models = [self.standing.model, *self.standing.fallbacks]
        return Route(groups(models, known), self.gateway.targets, self.version.config.retries, self.record.client)

    def prepare(self, place: ResolvedTarget, spent: float) -> PreparedAttempt:
        """An attempt at a target, with a chain of its own. `spent` is what the attempts before have cost, in USD."""
        context = self._context(place, spent)
        try:
            chain = self.standing.policies.chain(context)
        except Exception as failure:
            raise self._failed(failure) from None
        if self.standing.bases:
            self.record.tokenizer = tokenizers.basis(place.model)
        sink = self._sink(place)
        if self.observer.listener is not None:
            sink = TeeSink(sink, self.observer.listener)
        return PreparedAttempt(place, self._call(place, chain), chain, context, sink, self.gateway.upstream(place))

    def _call(self, place: ResolvedTarget, chain: Chain) -> Steps[Call]:
        """The call that the chain leaves to make. Raises `InvalidRequest` when a policy refuses the request."""
        try:
            asked = Request(dict(self.request.body), self.operation.texts, self.operation.answers_text)
            seen = yield from chain.request(asked)
            if not self.operation.answers_text:
                chain.answers_no_text()
        except OverBudget as over:
            raise TooComplex(over) from None
        except Exception as failure:
            raise self._failed(failure) from None
        if isinstance(seen, Refuse):
            raise InvalidRequest(seen.message, status=seen.status, code=seen.code)
        prompt = (yield from estimate.prompt_steps(seen.body, self.operation.texts)) if self.weight.large else None
        return Call(
            id=self.record.id,
            body=dict(seen.body),
            model=place.model,
            provider_name=place.provider_name,
            provider=place.provider,
            settings=place.settings,
            timeouts=self.version.config.timeouts,
            stream=self.request.stream,
            guarded=chain.guarded,
            operation=self.operation,
            key=self.record.client,
            work=self.weight.work,
            size=self.weight.size,
            large=self.weight.large,
            prompt=prompt,
            max_answer=self._max_answer,
        )

    def redact(self, text: str) -> str:
        """What the policies leave of a provider's words that are no answer. It fails closed."""
        if not self.standing.policies.guarded:
            return text
        try:
            context = self._context(self.standing.model.places[0], 0.0)
            chain = self.standing.policies.chain(replace(context, json_answer=False))
            events = [*chain.feed(Text(0, "content", text)), *chain.feed(Finish(0, "stop"))]
            said = "".join(event.text for event in events if isinstance(event, Text))
        except Exception as failure:
            log.error("%s: a policy raised %s", self.record.id, where_it_failed(failure))
            return ""
        return "" if chain.stopped else said

    def _failed(self, failure: Exception) -> PolicyFailed:
        log.error("%s: a policy raised %s", self.record.id, where_it_failed(failure))
        return PolicyFailed("A policy of the gateway failed, so the request was refused.")

    def _context(self, place: ResolvedTarget, spent: float) -> Context:
        return Context(
            model=self.request.model,
            clock=asyncio.get_running_loop().time,
            json_answer=self.request.json_answer,
            choices=self.request.n,
            target=self._target(place),
            tokenizer=functools.partial(tokenizers.load, tokenizers.basis(place.model)),
            spent=spent,
            work=self.weight.work,
            kept=self.kept,
        )

    def _target(self, place: ResolvedTarget) -> Target:
        known = target(self.version.config.prices, place.provider_name, place.api, place.model)
        operation, native = self.operation, PROVIDERS.get(place.api)
        own = native is not None and native.rules is None and place.settings.engine != "litellm"
        if operation.limit is None or not own:
            return known
        return replace(known, limit=operation.limit, usual=operation.usual_limit, reasons=False)

    def _sink(self, place: ResolvedTarget) -> Sink:
        created = int(time.time())
        about = (self.record.id, created, place.model, self.request)
        if self.request.stream and self.operation.encode is not None:
            return StreamSink(self.operation.encode(*about))
        return JsonSink(self.operation.accumulate(*about, self._max_answer))

    @property
    def _max_answer(self) -> int:
        return int(self.version.config.server.max_answer_mb * 2**20)
