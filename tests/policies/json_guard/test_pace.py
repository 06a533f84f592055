"""Work in steps: counted, paused, and as deep as the structure it follows."""

import pytest

from policies.json_guard.pace import MAX_DEPTH, SLICE, Pace, Task, TooDeep, driven
from policies.steps import finished
from policies.work import OverBudget, Work


def down(depth: int) -> Task:
    """Make a task that asks for another until `depth` is 0, and returns their number."""
    return 0 if depth == 0 else 1 + (yield down(depth - 1))


def test_tasks_nest_deeper_than_pythons_own_stack() -> None:
    assert finished(driven(down(MAX_DEPTH - 1), Pace(Work()))) == MAX_DEPTH - 1
    with pytest.raises(TooDeep):
        finished(driven(down(MAX_DEPTH), Pace(Work())))


def test_a_task_gets_back_what_is_no_task() -> None:
    def adding() -> Task:
        return (yield 1) + (yield 2)

    assert finished(driven(adding(), Pace(Work()))) == 3


def test_it_pauses_when_a_slice_was_spent() -> None:
    pace = Pace(Work())

    def spending() -> Task:
        for _ in range(10):
            pace.spend(SLICE)
            yield

    assert sum(1 for _ in driven(spending(), pace)) == 10


def test_over_the_budget_the_place_is_named() -> None:
    pace = Pace(Work(10), "schema")
    pace.place = "items"
    pace.spend(10)
    with pytest.raises(OverBudget, match="schema/items asks for more work"):
        pace.spend(1)
