"""Rules in any number and of any size: compiling them is bounded, for all of a configuration together. Before,
19,000 rules took minutes, so the bounds of time are generous."""

import itertools
import time
from collections.abc import Callable

import pytest

from policies import POLICIES
from proxy.config import chains
from proxy.config.load import ConfigError, parse
from proxy.version import make_version

BASE = "providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m}}\n"
PATIENCE = 30


def problems(text: str) -> list[str]:
    """List a file's problems. Compile it if there are none."""
    begun = time.monotonic()
    try:
        make_version(parse(text, "c.yaml", environ={}), POLICIES)
        found = []
    except ConfigError as error:
        found = [str(problem) for problem in error.problems]
    assert time.monotonic() - begun < PATIENCE
    return found


def one_policy(rule: str, count: int) -> str:
    return (
        BASE + "policies:\n  redact/a:\n    rules:\n" + "".join(f"      - {rule.format(i=i)}\n" for i in range(count))
    )


def many_policies(rule: str, count: int) -> str:
    return BASE + "policies:\n" + "".join(f"  redact/p{i}: {{rules: [{rule.format(i=i)}]}}\n" for i in range(count))


WRITTEN: dict[str, Callable[[int], str]] = {
    "short ones": lambda n: one_policy("{{name: r{i}, regex: 'P{i}-'}}", n),
    "long ones": lambda n: one_policy("{{name: r{i}, regex: '[a-z]{{1,450}}{i}'}}", n // 8),
    "alternatives": lambda n: one_policy("{{name: r{i}, regex: '(?:b(?:|||||||||)){{400}}{i}'}}", n // 8),
    "flags": lambda n: one_policy("{{name: r{i}, action: flag, regex: 'P{i}-'}}", n),
    "words": lambda n: one_policy("{{name: r{i}, words: [w{i}]}}", n),
    "entities": lambda n: one_policy("{{name: r{i}, entity: pii}}", n // 8),
    "policies": lambda n: many_policies("{{name: r{i}, regex: '[a-z]{{1,450}}{i}'}}", n // 8),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_more_rules_than_can_be_compiled_in_seconds_are_refused_once(kind: str) -> None:
    (found,) = problems(WRITTEN[kind](8_000))
    assert "more than 300,000 nodes together: shorten counted repeats" in found


def test_rules_in_usual_numbers_are_far_from_the_bound() -> None:
    rules = "".join(f"      - {{name: s{i}, regex: '\\bs{i}[a-z0-9]{{32,64}}(?!\\w)'}}\n" for i in range(800))
    assert problems(BASE + "policies:\n  redact/a:\n    rules:\n      - {name: p, entity: pii}\n" + rules) == []


def test_a_configuration_has_the_bound_for_itself() -> None:
    text = one_policy("{{name: r{i}, regex: 'P{i}-'}}", 1_500)
    assert [problems(text), problems(text), problems(text)] == [[], [], []]


def lists(count: int) -> str:
    """Make a configuration with `count` lists of two policies."""
    pairs = list(itertools.permutations(range(9), 2))[:count]
    models = "".join(f"  m{a}{b}: {{target: openai/m, policies: [redact/p{a}, redact/p{b}]}}\n" for a, b in pairs)
    rules = "".join(f"  redact/p{i}: {{rules: [{{name: r{i}, regex: '[a-z]{{1,450}}x'}}]}}\n" for i in range(9))
    return f"providers: {{openai: {{api_key: k}}}}\nmodels:\n{models}policies:\n{rules}"


def test_more_lists_of_policies_than_can_be_compiled_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "MAX_TOGETHER", 60_000)
    assert problems(lists(20)) == []
    (found,) = problems(lists(72))
    assert "models.m" in found and "is one list of policies too many" in found
