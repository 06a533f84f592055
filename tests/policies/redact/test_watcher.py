"""Rules that only report."""

import pytest

from policies.redact import Match, Redactor
from tests.policies.redact.splits import every_cut, run

FLAGS = [
    {"name": "word", "words": ["secret"], "action": "flag"},
    {"name": "part", "words": ["cre", "ret"], "action": "flag"},
    {"name": "line", "regex": "[a-z ]+!", "action": "flag"},
    {"name": "card", "entity": "credit_card", "action": "flag"},
    {"name": "digits", "regex": "[0-9]{4}", "action": "flag"},
]
TEXT = "a secret sec 4111 1111 1111 1111 cre!"
FOUND = {
    "word": [(2, 8)],
    "part": [(4, 7), (33, 36)],
    "line": [(32, 37)],
    "card": [(13, 32)],
    "digits": [(13, 17), (18, 22), (23, 27), (28, 32)],
}


@pytest.mark.parametrize("mode", ["flag", "shadow"])
def test_each_reports_what_it_would_find_alone_and_holds_nothing(mode: str) -> None:
    rules = FLAGS if mode == "flag" else [{**r, "action": "redact", "mode": "shadow"} for r in FLAGS]
    redactor = Redactor(rules)
    for chunks in every_cut(TEXT):
        stream = redactor.stream()
        assert [stream.feed(chunk) for chunk in chunks] == chunks and stream.close() == ""
        assert sorted(stream.matches) == sorted(Match(name, *span) for name, spans in FOUND.items() for span in spans)


def test_a_match_at_the_end_counts_and_one_cut_off_does_not() -> None:
    redactor = Redactor([{"name": "w", "words": ["cat"], "whole_word": True, "action": "flag"}, *FLAGS])
    for natural, found in ((True, [Match("w", 2, 5)]), (False, [])):
        stream = redactor.stream()
        assert run(stream, ["a c", "at"], natural) == "a cat"
        assert stream.matches == found


def test_slices_report_the_same() -> None:
    stream = Redactor(FLAGS).stream()
    assert "".join(stream.pieces(TEXT * 20)) + stream.close() == TEXT * 20
    expected = {name: len(spans) * 20 for name, spans in FOUND.items()} | {"line": 20}
    assert {name: sum(m.rule == name for m in stream.matches) for name in FOUND} == expected


def test_what_reports_takes_nothing_from_what_redacts() -> None:
    stream = Redactor([*FLAGS, {"name": "k", "words": ["secret"]}]).stream()
    assert run(stream, list("a secret!")) == "a [K]!"
    assert sorted(m.rule for m in stream.matches) == ["k", "line", "part", "word"]
