"""The budget for work that goes with a request."""

import pytest

from policies.work import BASE_STEPS, STEPS_PER_BYTE, OverBudget, Work


def test_steps_are_taken_until_there_are_none() -> None:
    work = Work(10)
    work.spend(7, "tools[0]")
    work.spend(3, "tools[1]")
    assert work.left == 0
    with pytest.raises(OverBudget, match=r"tools\[2\]"):
        work.spend(1, "tools[2]")


def test_what_is_refused_takes_nothing() -> None:
    work = Work(10)
    with pytest.raises(OverBudget):
        work.spend(11, "messages")
    assert work.left == 10


def test_each_byte_of_a_body_brings_steps() -> None:
    assert Work.of_body(0).left == BASE_STEPS
    assert Work.of_body(1000).left == BASE_STEPS + 1000 * STEPS_PER_BYTE
