"""`cost_cap`: end a request when its answer has reached a cost.

- Before anything is sent, a prompt that alone would cost more is rejected. The provider's own limit is lowered to the
  rest, because hidden reasoning cannot be stopped by watching. A thinking budget above that is rejected, because
  providers accept no limit below it.
- While the answer streams, the cost is the larger of the provider's reported usage and the estimate of what arrived
  (`estimate`). The cut is at the character where the estimate passes the cap, for every chunking.
- All choices share one bill and end together. So do a request's attempts: `Context.spent` is the cost of the earlier
  ones.
- A model that the operator made free passes. A model without a price is rejected, because its cost cannot be limited.
- Output is priced with the prompt's tier. A prompt counts as uncached until the provider reports otherwise.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from policies import estimate
from policies.base import Context, PolicyType, Refuse, Request
from policies.events import Event, Finish, Note, Stop, Text, ToolCall, Usage, Verdict
from policies.limits import lowered, thinking_budget
from policies.numbers import Amount
from policies.prices import FREE, Price
from policies.steps import Steps

_MILLION = 1_000_000


class CostCapConfig(BaseModel):
    """The YAML of a `cost_cap`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    max_usd: Amount


class CostCap:
    """The cost cap of one stream: see the module's docstring."""

    deadline: float | None = None

    def __init__(self, name: str, config: CostCapConfig, context: Context) -> None:
        self.name = name
        self._config = config
        self._context = context
        self._left = config.max_usd - context.spent
        self._price = context.target.price
        self._used = 0.0
        self._room = float("inf")
        self._weight = 1.0
        self._choices = set(range(context.choices))
        self._ended: set[int] = set()

    def request(self, request: Request) -> Steps[Request | Refuse]:
        """Reject a request that is too expensive before it begins. Otherwise lower the provider's limit to the rest."""
        price = self._price
        if price == FREE:
            return request
        if price is None or (price.output <= 0 and request.limited):
            return Refuse(
                f"The model {self._context.model!r} has no price, so {self.name} cannot limit its cost: "
                "the operator can set it under `prices`.",
                "no_price",
            )
        prompt = yield from estimate.prompt_steps(request.body, request.texts)
        if not request.limited:  # the answer has no tokens: the prompt is all that is billed
            return request if price.at(prompt).cost(Usage(prompt, 0)).total <= self._left else self._too_dear(prompt)
        self._set_room(price.at(prompt), Usage(prompt, 0))
        most = int(self._room / estimate.UNITS / max(price.dearest / price.output, 1)) // self._context.choices
        if most < 1:
            return self._too_dear(prompt)
        if thinking_budget(request.body) >= most:
            return Refuse(
                f"The thinking budget could cost more than the ${self._config.max_usd:g} that {self.name} allows for a "
                f"request: ask for less than {most} tokens.",
                "cost_cap",
            )
        return replace(request, body=lowered(request.body, self._context.target, most))

    def _too_dear(self, prompt: int) -> Refuse:
        return Refuse(
            f"The prompt, about {prompt} tokens, would cost more than the ${self._config.max_usd:g} that {self.name} "
            "allows for a request: send a shorter one.",
            "cost_cap",
        )

    def feed(self, event: Event) -> Iterable[Verdict]:
        """Process one event: see `Policy.feed`."""
        if isinstance(event, Text):
            return self._piece(event, event.text, self._weight if event.channel == "reasoning" else 1.0)
        match event:
            case ToolCall():
                return self._piece(event, event.arguments, 1.0)
            case Usage():
                return self._told(event)
            case Finish():
                return self._finish(event)
        return (event,)

    def _piece(self, piece: Text | ToolCall, text: str, weight: float) -> Iterable[Verdict]:
        if piece.choice in self._ended:
            return ()
        self._choices.add(piece.choice)
        before = self._used
        self._used += estimate.units(text) * weight
        if self._used <= self._room:
            return (piece,)
        fits = text[: estimate.within(text, (self._room - before) / weight)]
        return [*_shortened(piece, fits), *self._stop()]

    def _told(self, usage: Usage) -> Iterable[Verdict]:
        """Process the provider's report of its usage so far."""
        if self._price is None or self._price.output <= 0:
            return (usage,)
        price = self._price.at(usage.prompt)
        self._set_room(price, usage)
        answer = price.cost(replace(usage, prompt=0, cached=0, cache_write=0)).total
        self._used = max(self._used, answer * _MILLION / price.output * estimate.UNITS)
        return (usage,) if self._used <= self._room else [usage, *self._stop()]

    def _finish(self, event: Finish) -> Iterable[Verdict]:
        if event.choice in self._ended:
            return ()
        self._ended.add(event.choice)
        return (event,)

    def _stop(self) -> Iterator[Verdict]:
        ending = sorted(self._choices - self._ended)
        if ending:
            yield Note(self.name, "stop", "max_usd")
        for choice in ending:
            self._ended.add(choice)
            yield Stop(choice, "length", self.name)

    def _set_room(self, price: Price, usage: Usage) -> None:
        """Set the room that the prompt leaves for the answer, in units of output."""
        prompt = price.cost(replace(usage, completion=0, reasoning=0)).total
        self._room = (self._left - prompt) * _MILLION / price.output * estimate.UNITS
        self._weight = max((price.reasoning if price.reasoning is not None else price.output) / price.output, 1e-9)


def _shortened(piece: Text | ToolCall, text: str) -> tuple[Text | ToolCall, ...]:
    """Return the piece with the given beginning of its text, or nothing if that is empty."""
    if not text:
        return ()
    return (Text(piece.choice, piece.channel, text),) if isinstance(piece, Text) else (replace(piece, arguments=text),)


COST_CAP = PolicyType(config=CostCapConfig, build=CostCap, stage=90, guards=lambda config: False, needs_price=True)
