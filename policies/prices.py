"""What tokens cost."""

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
        """All of it."""
        return self.input + self.cached + self.cache_write + self.output + self.reasoning


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model in USD per million tokens. What is None costs as much as its kind: cached and cache-written
    tokens as input, reasoning as output. `above` are the prices for prompts of more than so many tokens, longest first.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    reasoning: float | None = None
    above: "tuple[tuple[int, Price], ...]" = ()

    def cost(self, usage: Usage) -> Cost:
        """What an answer costs."""
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
        """The price for a prompt of so many tokens."""
        return next((price for least, price in self.above if prompt > least), self)

    @property
    def dearest(self) -> float:
        """The price of a token of the answer, whatever it turns out to be."""
        return max(self.output, _either(self.reasoning, self.output))


FREE = Price(0, 0)
"""That of a server of one's own."""


def _either(price: float | None, otherwise: float) -> float:
    return otherwise if price is None else price
