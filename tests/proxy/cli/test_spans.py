"""Comparison of the text that arrived with the text that left."""

import pytest

from policies.redact.rules import Rule, read_rules
from proxy.cli.replay import TextTrace
from proxy.cli.spans import Span, Taken, spans

MAIL = read_rules([{"name": "email", "entity": "email"}])[0]
CARD = read_rules([{"name": "card", "regex": r"\d{8}", "mask": "*", "keep_last": 2}])[0]
HASHED = read_rules([{"name": "id", "regex": r"\d{8}", "action": "hash", "hash_key": "k"}])[0]
LABEL = ("[EMAIL]", "label")


def course(came: str, went: str, late: int = 0) -> TextTrace:
    """A text whose last `late` characters went a step later."""
    made = TextTrace()
    made.come(came, 0)
    made.go(went[: len(went) - late], 0)
    made.go(went[len(went) - late :], 1)
    return made


@pytest.mark.parametrize(
    ("came", "went", "matches", "expected"),
    [
        ("plain", "plain", [], [("plain", "plain")]),
        (
            "to a@b.cc now",
            "to [EMAIL] now",
            [(3, 9, MAIL)],
            [("to ", "plain"), LABEL, (" now", "plain")],
        ),
        ("12345678", "******78", [(0, 8, CARD)], [("******78", "label")]),
        ("a 12345678", "a [ID:0123456789ab]", [(2, 10, HASHED)], [("a ", "plain"), ("[ID:0123456789ab]", "label")]),
        ("a@b.cca@b.cc", "[EMAIL][EMAIL]", [(6, 12, MAIL), (0, 6, MAIL)], [LABEL] * 2),
        ("a bomb c", "a ", [], [("a ", "plain")]),
        ("x a@b.cc", "x", [(2, 8, MAIL)], [("x", "plain")]),
        ("x a@b.cc", "x other", [(2, 8, MAIL)], [("x ", "plain"), ("other", "plain")]),
    ],
)
def test_labels_are_told_from_the_providers_own_text(
    came: str, went: str, matches: list[tuple[int, int, Rule]], expected: list[tuple[str, str]]
) -> None:
    found = spans(course(came, went), [Taken(*match) for match in matches])
    assert [(span.text, span.kind) for span in found] == expected


def test_text_that_went_later_than_it_came_is_told() -> None:
    assert spans(course("in time late", "in time late", late=4), []) == [
        Span("in time ", "plain"),
        Span("late", "late"),
    ]


def test_the_parts_are_all_that_went() -> None:
    cut = course("secret a@b.cc and more", "something else entirely")
    assert "".join(span.text for span in spans(cut, [Taken(7, 13, MAIL)])) == cut.went
