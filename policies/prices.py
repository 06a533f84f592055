"""Prices of tokens."""

from dataclasses import dataclass

from policies.events import Usage

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost in USD by its parts, which share no token."""

    input: float
    cached: float
    cache_write: float
    output: float
    reasoning: float

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return self.input + self.cached + self.cache_write + self.output + self.reasoning


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model in USD per million tokens.

    A part that is None costs as much as its kind: cached and cache-written tokens as input, reasoning as output.
    `above` are the prices for prompts above a number of tokens, longest first.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    above: "tuple[tuple[int, Price], ...]" = ()

    def cost(self, usage: Usage) -> Cost:
        """Compute the cost of an answer."""
        price = self.at(usage.prompt)
        cached = min(usage.cached, usage.prompt)
        written = min(usage.cache_write, usage.prompt - cached)
        reasoning = min(usage.reasoning, usage.completion)
        return Cost(
            input=(usage.prompt - cached - written) * price.input / _MILLION,
            cached=cached * _either(price.cached, price.input) / _MILLION,
            cache_write=written * _either(price.cache_write, price.input) / _MILLION,
            output=(usage.completion - reasoning) * price.output / _MILLION,
            reasoning=reasoning * _either(price.reasoning, price.output) / _MILLION,
        )

    def at(self, prompt: int) -> "Price":
        """Return the price for a prompt of `prompt` tokens."""
        return next((price for least, price in self.above if prompt > least), self)

    @property
    def dearest(self) -> float:
        """The highest price of a token of the answer, whatever its kind."""
        return max(self.output, _either(self.reasoning, self.output))


FREE = Price(0, 0)
"""The price of a self-hosted server."""


def _either(price: float | None, otherwise: float) -> float:
    return otherwise if price is None else price
