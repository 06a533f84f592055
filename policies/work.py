"""A request's budget for work. It limits the work that a client can cause, whatever the client sends.

Code that expands, compiles or walks structure from a client spends the steps in advance, and names the place in the
request that needs them. One budget follows a request through all of that code, so that many small amounts cannot add up
to a large one.

A step is one visit of one item in Python: a JSON value, a state of an automaton, a character of a pattern. It costs
about a microsecond. Linear work in C on the body (parsing, copying) is limited by `server.max_body_mb` and not counted
here.
"""

from typing import Final

BASE_STEPS: Final = 500_000
"""Steps that every request has, however short its body."""

STEPS_PER_BYTE: Final = 8
"""Additional steps for each byte of the body. Linear work therefore never exhausts the budget."""


class OverBudget(Exception):
    """The request asks for more work than one request may cause. `place` is the place in the request."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} asks for more work than one request may cause: send a smaller or flatter one")
        self.place = place


class Work:
    """The remaining steps of one request. It is not thread-safe."""

    __slots__ = ("left",)

    def __init__(self, steps: int = BASE_STEPS) -> None:
        self.left = steps

    @classmethod
    def of_body(cls, size: int) -> "Work":
        """Make the budget of a request with a body of `size` bytes."""
        return cls(BASE_STEPS + STEPS_PER_BYTE * size)

    def spend(self, steps: int, place: str) -> None:
        """Take `steps` from the budget.

        Raises `OverBudget` with `place` if there are not enough. Then none are taken, and the caller must not do the
        work.
        """
        if steps > self.left:
            raise OverBudget(place)
        self.left -= steps
