"""Usage and cost of a request over all its attempts.

The driver keeps one ledger for each request. It outlives chains and attempts. It counts events before the policies,
because the provider bills its own output. It keeps numbers only, never text.

A provider reports its counts at the end, and some of them earlier. A complete answer has the provider's counts
(`reported`). For a cut answer, the output is the larger of two counts: the estimate of what arrived, and what the
provider had reported (`estimated`). So closing a connection just before the last chunk makes nothing free. A rejected
attempt is not billed, and neither is one whose request was not sent. An attempt that was cut while it waited for an
answer is billed for its prompt.
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
"""Errors of opening an answer after which the provider may have started to work."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Usage of one or more attempts.

    `prompt` tells the source of the counts of prompt and cached tokens. `completion` tells that of completion and
    reasoning tokens. `cost` is None if the model's price is unknown.
    """

    usage: Usage
    prompt: Source
    completion: Source
    cost: Cost | None = None

    @property
    def source(self) -> Source:
        """The source of the whole bill and its cost: `reported` only if every part is."""
        return "reported" if (self.prompt, self.completion) == ("reported", "reported") else "estimated"


class Ledger:
    """The ledger of one request."""

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
        """Begin an attempt.

        `body` is the request to the provider, and `price` its model's price. `prompt` is the estimate of the body's
        tokens, if it was already made. `texts` tells where the body has its texts.
        """
        self.settle()
        if body is not self._body:
            self._body, self._prompt = body, prompt
        self._price = price
        self._texts = texts
        self._running = True

    def let_go(self) -> None:
        """Release the body, because no other attempt begins."""
        if self._running and not (self._last and self._last.prompt):
            self._estimated_prompt()
        self._body = {}

    def refused(self, error: GatewayError) -> None:
        """Record that the attempt failed before an answer."""
        if error.code not in _SENT:
            self.unsent()

    def unsent(self) -> None:
        """Record that no part of the attempt's request was sent or processed."""
        self._running = False
        self._reset()

    def saw(self, event: Event) -> None:
        """Count an event from the provider."""
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
        """Record that the provider's answer was read to its end. Its counts are final."""
        self._whole = True

    def capped(self, tokens: int) -> None:
        """Record that a cap stopped the answer after exactly `tokens` tokens, not including reasoning."""
        self._capped = tokens

    @property
    def running(self) -> bool:
        """True while an attempt runs."""
        return self._running

    @property
    def told(self) -> Usage | None:
        """Usage that the provider has reported for the running attempt."""
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
        """Compute the usage of the running attempt."""
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
        """End the running attempt, if there is one."""
        if self._running:
            self._bills.append(self.attempt())
            self._running = False
        self._reset()

    def bill(self) -> Bill | None:
        """Sum the usage of the settled attempts. Return None if no provider worked."""
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
