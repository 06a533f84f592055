"""Count work on client or provider input, do it in steps, and keep it off Python's stack.

Code that walks such input spends a step for each item before it looks at it, and yields when the pace is due. Work that
nests like its input is written as tasks. A task yields a further task to get its result. It may yield any other value,
and gets that value back. `driven` runs tasks with a stack of its own, so that no input can exhaust Python's.
"""

from collections.abc import Generator
from types import GeneratorType
from typing import Any, Final, TypeAlias

from policies.steps import Steps
from policies.work import OverBudget, Work

SLICE: Final = 500
"""Steps after which others may run."""

MAX_DEPTH: Final = 2000
"""Maximum nesting depth of tasks."""

Task: TypeAlias = Generator[Any, Any, Any]


class TooDeep(Exception):
    """Tasks nest deeper than `MAX_DEPTH`."""


class Pace:
    """A budget, and the steps spent since the last pause.

    `place` is the current place below `root`. It is named when the budget is used up.
    """

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
        """Return true if it is time to yield."""
        if self._since < SLICE:
            return False
        self._since = 0
        return True


def driven(task: Task, pace: Pace) -> Steps[Any]:
    """Run a task in steps and return its result. Raises `TooDeep`."""
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
