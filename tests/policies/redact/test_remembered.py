"""The bounded memory of states."""

import pytest

from policies.redact import remembered
from policies.redact.remembered import Remembered


class Built:
    forgotten = False

    def forget(self) -> None:
        self.forgotten = True


def test_past_the_bound_the_two_oldest_go_with_each_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_STATES", 4)
    memory = Remembered[int, Built]()
    states = [memory.remember(number, Built()) for number in range(6)]
    assert list(memory) == [2, 3, 4, 5] and memory[5] is states[5]
    assert [state.forgotten for state in states] == [True, True, False, False, False, False]
    memory.remember(6, Built())
    assert list(memory) == [4, 5, 6]
