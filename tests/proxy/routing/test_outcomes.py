"""Counts over a sliding window."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.outcomes import PARTS, Outcomes

WINDOW = 10.0
ALL = 10**9


def test_what_was_answered_and_broke_off_is_a_failure_alone() -> None:
    outcomes = Outcomes()
    for _ in range(2):
        outcomes.answered(0, WINDOW)
    outcomes.failed(3, WINDOW, answered=True)
    outcomes.failed(3, WINDOW, answered=False)
    assert outcomes.counts(3, WINDOW, ALL) == (1, 2)


def test_an_answer_that_broke_off_long_after_it_began_is_a_failure() -> None:
    outcomes = Outcomes()
    outcomes.answered(0, WINDOW)
    outcomes.failed(100, WINDOW, answered=True)
    assert outcomes.counts(100, WINDOW, ALL) == (0, 1)


def test_the_newest_parts_that_hold_enough_are_all_that_counts() -> None:
    outcomes = Outcomes()
    for at in range(10):
        outcomes.answered(at, WINDOW)
    outcomes.failed(10, WINDOW, answered=False)
    assert outcomes.counts(10, WINDOW, 1) == (0, 1)
    assert outcomes.counts(10, WINDOW, 3) == (2, 1)


def test_nothing_is_left_of_what_is_forgotten() -> None:
    outcomes = Outcomes()
    outcomes.answered(1, WINDOW)
    assert outcomes.latest == 1
    outcomes.clear()
    assert outcomes.counts(1, WINDOW, ALL) == (0, 0) and outcomes.latest == 0


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=300))
def test_counts_are_those_of_the_window_within_one_part_of_it(steps: list[tuple[float, bool]]) -> None:
    outcomes, exact, now = Outcomes(), deque[tuple[float, bool]](), 0.0
    for seconds, answers in steps:
        now += seconds
        if answers:
            outcomes.answered(now, WINDOW)
        else:
            outcomes.failed(now, WINDOW, answered=False)
        exact.append((now, answers))
        counted = outcomes.counts(now, WINDOW, ALL)
        most = [answers for at, answers in exact if now - at <= WINDOW]
        least = [answers for at, answers in exact if now - at <= WINDOW * (1 - 1 / PARTS)]
        assert least.count(True) <= counted[0] <= most.count(True)
        assert least.count(False) <= counted[1] <= most.count(False)
        assert len(outcomes._parts) <= PARTS + 1
