"""The bounded memory of states."""

import pytest

from policies.redact import Redactor, automaton, factor
from policies.redact import bounded_cache as remembered
from policies.redact.bounded_cache import Entries, Remembered


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


def test_past_the_weight_the_oldest_go_until_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_WEIGHT", 10)
    memory = Remembered[int, Built]()
    for number, weight in enumerate((4, 4, 4, 2)):
        memory.remember(number, Built(), weight)
    assert list(memory) == [2, 3]
    memory.remember(4, Built(), 50)
    memory.remember(5, Built(), 50)
    assert list(memory) == [5]


def test_entries_of_many_mappings_are_bounded_together() -> None:
    entries = Entries(3)
    one: dict[int, str] = {}
    other: dict[int, str] = {}
    for number in range(4):
        mapping = one if number % 2 else other
        mapping[number] = "x"
        entries.note(mapping, number)
    assert (one, other) == ({3: "x"}, {2: "x"})


def test_what_every_state_leads_to_is_bounded_together() -> None:
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 300)]
    words = [first + second for first in letters[:40] for second in letters[:40]]
    text = "".join(word + letter for word in words[::3] for letter in letters[::2])
    redactor = Redactor([{"name": "w", "words": [word + "x" for word in words]}])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(automaton, "MAX_TRANSITIONS", 2_000)
        patch.setattr(factor, "MAX_STEPS", 2_000)
        small = Redactor([{"name": "w", "words": [word + "x" for word in words]}])
    text = text[:60_000]
    assert small.apply(text) == redactor.apply(text) == text
    lane = small._lanes.redact
    assert lane is not None
    states = lane.joined._states.values()
    assert sum(len(state) + len(state.by_class) for state in states) <= 2_000
    parts = lane.joined.factors[0]._states.values()
    follows = lane.joined.factors[0]._follows.values()
    assert sum(len(part.moves) for part in parts) + sum(map(len, follows)) <= 2_000
