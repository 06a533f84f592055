"""What a request has used so far, over all its attempts, and what that costs.

Rule: one ledger a request, kept by the driver; it outlives chains and attempts. It counts as the answer comes, before
the policies, because the provider bills what it made, not what went through; and it keeps numbers, never text.

Theory. A provider tells its counts at the end, some of them on the way. An answer that ended by itself has the
provider's word (`reported`). One that was cut has, for what it produced, the estimate of what came or what the
provider had told by then, whichever is more (`estimated`): closing a connection just before the last chunk makes
nothing free. An attempt that the provider refused is not billed, nor one whose request had not begun to go out; one
that was cut while waiting for an answer is, for its prompt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from policies import estimate
from policies.events import Event, Text, ToolCall, Usage
from policies.prices import Cost, Price
from policies.texts import CONVERSATION, Texts
from proxy.errors import GatewayError

Source: TypeAlias = Literal["reported", "estimated"]

_SENT = frozenset({"upstream_died", "upstream_timeout"})
"""Failures of opening an answer after which the provider may have begun to work."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What was used. `prompt` says where the counts of prompt and cached tokens come from, `completion` those of
    completion and reasoning tokens. `cost` is None when nobody knows the model's price."""

    usage: Usage
    prompt: Source
    completion: Source
    cost: Cost | None = None

    @property
    def source(self) -> Source:
        """Where all of it comes from: `reported` only if every part is; that of the cost, too."""
        return "reported" if (self.prompt, self.completion) == ("reported", "reported") else "estimated"


class Ledger:
    """One request's."""

    def __init__(self) -> None:
        self._body: Mapping[str, Any] = {}
        self._price: Price | None = None
        self._texts = CONVERSATION
        self._bills: list[Bill] = []
        self._prompt: int | None = None
        self._running = False
        self._last: Usage | None = None
        self._capped: int | None = None
        self._reset()

    def begin(
        self,
        body: Mapping[str, Any],
        price: Price | None = None,
        prompt: int | None = None,
        texts: Texts = CONVERSATION,
    ) -> None:
        """An attempt begins. `body` is what the provider is asked, `price` its model's, `prompt` the estimate of the
        body's tokens if it is made already, `texts` where the body has them."""
        self.settle()
        if body is not self._body:
            self._body, self._prompt = body, prompt
        self._price = price
        self._texts = texts
        self._running = True

    def let_go(self) -> None:
        """Keep no body: no other attempt begins."""
        if self._running and not (self._last and self._last.prompt):
            self._estimated_prompt()
        self._body = {}

    def refused(self, error: GatewayError) -> None:
        """The attempt was not answered."""
        if error.code not in _SENT:
            self.unsent()

    def unsent(self) -> None:
        """Nothing of the attempt's request went out, or nothing was made of it."""
        self._running = False
        self._reset()

    def saw(self, event: Event) -> None:
        """Count an event as it came from the provider."""
        if isinstance(event, Text):
            if event.channel == "reasoning":
                self._thoughts += estimate.units(event.text)
            else:
                self._answer += estimate.units(event.text)
        elif isinstance(event, ToolCall):
            self._answer += estimate.units(event.arguments) + estimate.units(event.name or "")
        elif isinstance(event, Usage):
            self._last = event

    def ended(self) -> None:
        """The provider's answer was read to its end: its counts are final."""
        self._whole = True

    def capped(self, tokens: int) -> None:
        """A cap stopped the answer and counted its `tokens` exactly, thoughts not among them."""
        self._capped = tokens

    @property
    def running(self) -> bool:
        """Whether an attempt is at work."""
        return self._running

    @property
    def told(self) -> Usage | None:
        """What the provider has told of the running attempt."""
        return self._last

    @property
    def completion(self) -> int:
        """Tokens that all attempts have produced so far."""
        settled = sum(bill.usage.completion for bill in self._bills)
        if not self._running:
            return settled
        told = 0 if self._last is None else self._last.completion
        return settled + max(told, estimate.tokens(self._thoughts + self._answer))

    def attempt(self) -> Bill:
        """What the running attempt has used."""
        told = self._last or Usage(0, 0)
        thoughts = estimate.tokens(self._thoughts)
        counted = estimate.tokens(self._thoughts + self._answer) if self._capped is None else thoughts + self._capped
        final = self._whole and self._last is not None and (told.completion > 0 or counted == 0)
        if final:
            completion, reasoning = told.completion, told.reasoning
        else:
            reasoning = max(told.reasoning, thoughts)
            completion = max(told.completion, counted, reasoning)
        usage = Usage(
            prompt=told.prompt or self._estimated_prompt(),
            completion=completion,
            cached=told.cached,
            cache_write=told.cache_write,
            reasoning=reasoning,
            details=told.details if final else None,
        )
        cost = None if self._price is None else self._price.cost(usage)
        return Bill(usage, "reported" if told.prompt else "estimated", "reported" if final else "estimated", cost)

    def settle(self) -> None:
        """The running attempt is over, if there is one."""
        if self._running:
            self._bills.append(self.attempt())
            self._running = False
        self._reset()

    def bill(self) -> Bill | None:
        """What the settled attempts have used together; None when no provider was at work."""
        if len(self._bills) < 2:
            return self._bills[0] if self._bills else None
        bills = self._bills
        return Bill(
            usage=_sum([bill.usage for bill in bills]),
            prompt="reported" if all(bill.prompt == "reported" for bill in bills) else "estimated",
            completion="reported" if all(bill.completion == "reported" for bill in bills) else "estimated",
            cost=_sum_costs([bill.cost for bill in bills if bill.cost is not None]),
        )

    def _estimated_prompt(self) -> int:
        if self._prompt is None:
            self._prompt = estimate.prompt_tokens(self._body, self._texts)
        return self._prompt

    def _reset(self) -> None:
        self._answer = 0
        self._thoughts = 0
        self._last = None
        self._whole = False
        self._capped = None


def _sum(usages: list[Usage]) -> Usage:
    return Usage(
        prompt=sum(usage.prompt for usage in usages),
        completion=sum(usage.completion for usage in usages),
        cached=sum(usage.cached for usage in usages),
        cache_write=sum(usage.cache_write for usage in usages),
        reasoning=sum(usage.reasoning for usage in usages),
    )


def _sum_costs(costs: list[Cost]) -> Cost | None:
    if not costs:
        return None
    return Cost(
        input=sum(cost.input for cost in costs),
        cached=sum(cost.cached for cost in costs),
        cache_write=sum(cost.cache_write for cost in costs),
        output=sum(cost.output for cost in costs),
        reasoning=sum(cost.reasoning for cost in costs),
    )
