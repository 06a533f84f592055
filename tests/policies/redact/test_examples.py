"""Examples made from a rule: each is matched, and every built-in rule has some."""

import random
from typing import Any

import pytest

from policies.redact.entities import ENTITIES
from policies.redact.entities.samples import SAMPLES
from policies.redact.examples import examples, long_texts
from policies.redact.redactor import Redactor
from policies.redact.rules import RuleError, read_rules
from tests.policies.redact.random_rules import pattern


def made(**spec: Any) -> list[str]:
    return examples(read_rules([{"name": "x", **spec}])[0], most=3)


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_entity_has_an_example(entity: str) -> None:
    assert made(entity=entity)


@pytest.mark.parametrize("entity", SAMPLES)
def test_the_samples_are_of_entities_and_matched(entity: str) -> None:
    assert set(SAMPLES[entity][:3]) <= set(made(entity=entity))


@pytest.mark.parametrize(
    "regex",
    [
        r"PRJ-\d{4}",
        r"(?i:drop)\s+table\b",
        r"(?<=#)[a-f]{3}(?!\w)",
        r"[^a-z]{3}",
        r"(?m:^)to: .+",
        r"密[碼码]",
        r"(?:ab|cd){2,}?x?",
        r"\Aonce\Z",
        r"[\w.]+\W\D\S",
    ],
)
def test_a_patterns_examples_are_matched_whole(regex: str) -> None:
    found = made(regex=regex)
    assert found
    label = Redactor([{"name": "x", "regex": regex, "replace": "§"}])
    for text in found:
        assert any(label.apply(before + text) == before + "§" for before in ("", "#", "\n", " ")), text


def test_words_are_their_own_examples() -> None:
    assert made(words=["密碼", "hunter2"]) == ["密碼", "hunter2"]


def test_the_same_rule_has_the_same_examples() -> None:
    assert made(regex=r"[a-z]{4}\d+") == made(regex=r"[a-z]{4}\d+")


def test_a_rule_that_matches_nothing_has_none() -> None:
    assert made(regex=r"a(?<=b)c") == []


@pytest.mark.parametrize(("regex", "least"), [(r"a{40}!", 40), (r"<b>.*</b>", 1000), (r"(?:x{5}|y{30})z", 31)])
def test_long_texts_keep_a_rule_under_way(regex: str, least: int) -> None:
    rule = read_rules([{"name": "x", "regex": regex, "max_hold": 5_000}])[0]
    stream = Redactor.of([rule]).stream()
    held = []
    for text in long_texts(rule, 1000):
        for char in text[:-1]:
            stream.feed(char)
            held.append(stream.held)
        stream = Redactor.of([rule]).stream()
    assert max(held) >= least - 1


def test_no_pattern_of_an_operator_breaks_it() -> None:
    rng = random.Random(7)
    tried = 0
    while tried < 60:
        spec = {"name": "x", "regex": pattern(rng, 4)}
        try:
            Redactor([spec])
        except RuleError:
            continue
        tried += 1
        rule = read_rules([spec])[0]
        assert all(len(text) < 5_000 for text in [*examples(rule), *long_texts(rule, 300)])
