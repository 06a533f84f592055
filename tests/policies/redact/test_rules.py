"""Invalid rules are rejected at the right time and in the right words."""

from typing import Any

import pytest
from pydantic import ValidationError

from policies.base import UnusableFile
from policies.redact import Redactor, RuleError
from policies.redact.config import RedactConfig

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
    ({"regex": "(?:(?:(?:a{1000}){1000}){1000}){1000}"}, "more than 500 nodes"),
    ({"regex": "a{4294967294}"}, "repeat of more than 1000"),
    ({"regex": "a(?:){4294967294}"}, "repeat of more than 1000"),
    ({"regex": r"a(?:(?:(?:\b){1000}){1000}){1000}"}, "can be empty"),
    ({"regex": "(?:b(?:" + "|" * 2_000 + ")){400}"}, "more than 5000 alternatives and assertions"),
    ({"regex": "(?:b(?:" + r"\B" * 2_000 + ")){400}"}, "more than 5000 alternatives and assertions"),
    ({"regex": "a" + "(" * 20_000 + ")" * 20_000}, "recursion"),
    ({"regex": "(a"}, "syntax"),
    ({"regex": 5}, "not text"),
    ({"entity": "emial"}, "unknown entity"),
    ({}, "exactly one"),
    ({"regex": "a", "words": ["a"]}, "exactly one"),
    ({"words": []}, "empty list"),
    ({"words": ["a", 5]}, "the word 5"),
    ({"words": ["\u200b"]}, "visible"),
    ({"words": "abc"}, "list"),
    ({"words_file": "/nowhere/at/all"}, "outside a configuration"),
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


FILES = {"words.txt": "\ufeffalpha\n\n  beta gamma \n".encode(), "empty": b" \n\t\n", "latin": b"caf\xe9\n"}


def reading(name: str) -> RedactConfig:
    read: list[str] = []

    def read_once(file: str) -> bytes:
        assert file not in read, "it is read once"
        read.append(file)
        if file not in FILES:
            raise UnusableFile("is not there", "make one")
        return FILES[file]

    return RedactConfig.model_validate({"rules": [{"name": "w", "words_file": name}]}, context={"read": read_once})


def test_words_come_from_a_file_a_line_each() -> None:
    config = reading("words.txt")
    engine = config.engines([("redact/w", config)]).channels["content"]
    assert engine is not None and engine.apply("ALPHA beta gamma beta") == "[W] [W] beta"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other.txt", "rule 'w': the file 'other.txt' is not there: make one"),
        ("empty", "rule 'w': an empty list of words: give at least one word"),
        ("latin", "rule 'w': the file 'latin' is not UTF-8 at byte 3: save it as UTF-8"),
    ],
)
def test_a_file_without_usable_words_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        reading(name)
    assert message in str(refusal.value)


def test_the_size_of_each_rule_is_told() -> None:
    assert Redactor([{"name": "a", "regex": "x{3}y?"}, {"name": "w", "words": ["ab", "ac"]}]).sizes == {"a": 4, "w": 2}
