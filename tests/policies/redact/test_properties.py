"""Properties of the built-in rules on any text, however it is cut."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.redact import Redactor, automaton, factor
from policies.redact import bounded_cache as remembered
from tests.policies.redact.entity_cases import POSITIVE

SECRETS = [text for texts in POSITIVE.values() for text in texts]
EVERYTHING = Redactor(
    [
        *({"name": name, "entity": name} for name in ("pii", "secrets")),
        {"name": "words", "words": ["and", "secret", "密碼", "café"]},
        {"name": "code", "entity": "dangerous_code", "action": "flag"},
    ]
)
pieces = st.lists(
    st.one_of(st.sampled_from(SECRETS), st.text(max_size=6), st.sampled_from([" ", "\n", ", ", "的", "@", "-"]))
)


@settings(max_examples=150, deadline=None)
@given(pieces, st.lists(st.integers(0, 40), max_size=30))
def test_cutting_never_matters(parts: list[str], sizes: list[int]) -> None:
    text = "".join(parts)
    stream, out, at = EVERYTHING.stream(), "", 0
    for size in itertools.chain(sizes, itertools.repeat(1)):
        if at >= len(text):
            break
        out += stream.feed(text[at : at + size])
        at += size
    assert out + stream.close() == EVERYTHING.apply(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SECRETS), st.data())
def test_a_text_cut_off_inside_a_secret_shows_nothing_of_it(secret: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(secret)))
    stream = EVERYTHING.stream()
    out = stream.feed("it is: ") + stream.feed(secret[:at]) + stream.close(natural=False)
    assert ("it is: " + EVERYTHING.apply(secret)).startswith(out) or out.startswith("it is: [")


def test_forgetting_states_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MAX_STATES", 4)
    monkeypatch.setattr(automaton, "MAX_TRANSITIONS", 9)
    monkeypatch.setattr(factor, "MAX_STEPS", 9)
    text = " und ".join(SECRETS)
    small = Redactor([{"name": name, "entity": name} for name in ("pii", "secrets")])
    stream = small.stream()
    out = "".join(map(stream.feed, text)) + stream.close()
    assert all(len(a) <= 8 for a in small._lanes.redact.apart) if small._lanes.redact else False
    monkeypatch.undo()
    assert out == Redactor([{"name": name, "entity": name} for name in ("pii", "secrets")]).apply(text)


@pytest.mark.parametrize("pattern", ["(a+)+Z", "(?:.*a){20}Z", "(?:a|b)*a(?:a|b){12}Z", r"(?:\w+\s?)+Z", "a.{300}Z"])
def test_hostile_patterns_cost_linear_time_in_bounded_slices(pattern: str) -> None:
    stream = Redactor([{"name": "r", "regex": pattern}], max_hold=10_000).stream()
    text = "ab a" * 400
    slices = list(stream.pieces(text))
    assert len(slices) > len(text) // 512
    assert "".join(slices) + stream.close() == text


def test_a_character_costs_nothing_for_rules_that_cannot_begin_with_it() -> None:
    def work(others: int) -> int:
        rules = [{"name": f"r{n}", "regex": f"a{n}x"} for n in range(others)]
        redactor = Redactor([*rules, {"name": "own", "regex": "q[0-9]"}])
        redactor.apply("q7 qq")
        assert redactor._lanes.redact is not None
        return sum(factor.built for automaton in redactor._lanes.redact.apart for factor in automaton.factors)

    assert work(2_000) == work(20)
