"""What is refused, when, and in which words."""

from pathlib import Path
from typing import Any

import pytest

from policies.redact import Redactor, RuleError

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"regex": r"(a)\1"}, "back-reference"),
    ({"regex": "(?P<x>a)(?P=x)"}, "back-reference"),
    ({"regex": "(?=ab)a"}, "look-around"),
    ({"regex": "(?<!ab)c"}, "look-around"),
    ({"regex": "(?>a+)b"}, "atomic"),
    ({"regex": "a++b"}, "possessive"),
    ({"regex": "(a)?(?(1)b|c)"}, "conditional"),
    ({"regex": "a$"}, "$ without"),
    ({"regex": "a*"}, "empty"),
    ({"regex": ""}, "empty"),
    ({"regex": r"\b"}, "empty"),
    ({"regex": "b(a*)*"}, "can be empty"),
    ({"regex": "a{1001}"}, "repeat of more than 1000"),
    ({"regex": "(?:a{100}){100}"}, "more than 500 nodes"),
    ({"regex": "(a"}, "syntax"),
    ({"regex": 5}, "not text"),
    ({"entity": "emial"}, "unknown entity"),
    ({}, "exactly one"),
    ({"regex": "a", "words": ["a"]}, "exactly one"),
    ({"words": []}, "empty list"),
    ({"words": ["a", 5]}, "the word 5"),
    ({"words": ["\u200b"]}, "visible"),
    ({"words": "abc"}, "list"),
    ({"words_file": "/nowhere/at/all"}, "file"),
    ({"regex": "a", "ignore_case": True}, "without words"),
    ({"regex": "a", "replace": "x", "mask": "*"}, "beside"),
    ({"regex": "a", "keep_last": 4}, "without 'mask'"),
    ({"regex": "a", "mask": "**"}, "one character"),
    ({"regex": "a", "mask": "*", "keep_last": -1}, "count"),
    ({"regex": "a", "action": "hash"}, "without a key"),
    ({"regex": "a", "action": "block", "replace": "x"}, "beside the action"),
    ({"regex": "a", "action": "delete"}, "the action"),
    ({"regex": "a", "mode": "off"}, "the mode"),
    ({"regex": "a", "channels": ["stdout"]}, "the channels"),
    ({"regex": "a", "direction": "up"}, "the direction"),
    ({"regex": "a", "action": "pseudonymize", "direction": "response"}, "pseudonymize on the response"),
    ({"regex": "a", "normalise": True}, "unknown key"),
    ({"regex": "a", "normalize": "yes"}, "the normalize"),
]


@pytest.mark.parametrize(("spec", "construct"), REFUSED)
def test_a_rule_that_cannot_be_used_is_refused_by_name_with_a_remedy(spec: dict[str, Any], construct: str) -> None:
    with pytest.raises(RuleError) as raised:
        Redactor([{"name": "mine", **spec}])
    error = raised.value
    assert error.rule == "mine" and error.remedy
    assert construct in str(error) and "'mine'" in str(error)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(RuleError, match="two rules"):
        Redactor([{"name": "a", "regex": "x"}, {"name": "a", "regex": "y"}])


@pytest.mark.parametrize("options", [{"max_hold": 0}, {"on_overflow": "maybe"}, {"max_hold": 30}])
def test_a_bound_that_cannot_hold_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RuleError):
        Redactor([{"name": "iban", "entity": "iban"}], **options)


def test_words_come_from_a_file_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\ufeffalpha\n\n  beta gamma \n", encoding="utf-8")
    redactor = Redactor([{"name": "w", "words_file": str(file)}])
    assert redactor.apply("ALPHA beta gamma beta") == "[W] [W] beta"


def test_the_size_of_each_rule_is_told() -> None:
    assert Redactor([{"name": "a", "regex": "x{3}y?"}, {"name": "w", "words": ["ab", "ac"]}]).sizes == {"a": 4, "w": 2}
