"""Count the work on what a client or a provider wrote, do it in steps, and keep it off Python's stack.

Rule: code that walks such structure spends a step for each thing before it looks at it, and yields where the pace says
so. Work that nests as its structure does is written as tasks. A task yields a further task to get its result, or any
other value to get that value back. `driven` runs tasks with a stack of its own, so no structure can exhaust Python's.
"""

from collections.abc import Generator
from types import GeneratorType
from typing import Any, Final, TypeAlias

from policies.steps import Steps
from policies.work import OverBudget, Work

SLICE: Final = 500
"""Steps after which others may run."""

MAX_DEPTH: Final = 2000
"""How deep tasks may nest."""

Task: TypeAlias = Generator[Any, Any, Any]


class TooDeep(Exception):
    """Tasks nest deeper than `MAX_DEPTH`."""


class Pace:
    """A budget, and how much was spent of it since others could run. `place` is what is worked on, below `root`; it is
    named when the budget is used up."""

    __slots__ = ("_root", "_since", "_work", "place")

    def __init__(self, work: Work, root: str = "") -> None:
        self._work = work
        self._root = root
        self._since = 0
        self.place: object = ""

    def spend(self, steps: int) -> None:
        """Take steps from the budget. Raises `OverBudget`."""
        if steps > self._work.left:
            raise OverBudget(f"{self._root}/{self.place}".strip("/"))
        self._work.left -= steps
        self._since += steps

    def due(self) -> bool:
        """Whether it is time to yield."""
        if self._since < SLICE:
            return False
        self._since = 0
        return True


def driven(task: Task, pace: Pace) -> Steps[Any]:
    """The result of a task, in steps. Raises `TooDeep`."""
    stack, answer = [task], None
    while stack:
        try:
            answer = stack[-1].send(answer)
        except StopIteration as end:
            stack.pop()
            answer = end.value
            continue
        if type(answer) is GeneratorType:
            if len(stack) == MAX_DEPTH:
                raise TooDeep
            stack.append(answer)
            answer = None
        if pace.due():
            yield
    return answer
