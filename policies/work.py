"""A request's budget for work: what its client can make the gateway do is bounded, whatever the client sends.

Rule: code that expands, compiles or walks structure that a client wrote spends the steps before it takes them, and
names the place in the request that asks for them. One budget goes with a request through all of that code, so many
small places cannot add up to a large one.

A step is one visit of one thing in Python: a JSON value, a state of an automaton, a character of a pattern. It costs
about a microsecond. Work that is linear in the body's size in C (parsing, copying) is bounded by `server.max_body_mb`
and not counted here.
"""

from typing import Final

BASE_STEPS: Final = 500_000
"""The steps that every request has, however short its body."""

STEPS_PER_BYTE: Final = 8
"""The further steps that each byte of the body brings: linear work never runs out of them."""


class OverBudget(Exception):
    """The request asks for more work than a request may cause. `place` is where in the request."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} asks for more work than one request may cause: send a smaller or flatter one")
        self.place = place


class Work:
    """The steps that one request may still cause. Not for use by two threads at once."""

    __slots__ = ("left",)

    def __init__(self, steps: int = BASE_STEPS) -> None:
        self.left = steps

    @classmethod
    def of_body(cls, size: int) -> "Work":
        """The budget of a request whose body has `size` bytes."""
        return cls(BASE_STEPS + STEPS_PER_BYTE * size)

    def spend(self, steps: int, place: str) -> None:
        """Take `steps` from the budget. Raises `OverBudget`, naming `place`, when they are not there; then none are
        taken and the caller must not do the work."""
        if steps > self.left:
            raise OverBudget(place)
        self.left -= steps
