"""A choice's content: its valid part, the character that broke it, and its completeness, wherever it is cut."""

from typing import Any

import pytest

from policies.json_guard.answer import Answer
from tests.policies.json_guard.judging import compile_schema, cuts

INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("strip", "schema", "text", "good", "bad", "whole"),
    [
        (False, None, '{"a": 1}', '{"a": 1}', "", True),
        (False, None, '{"a": 1', '{"a": 1', "", False),
        (False, None, '{"a": 1}x}', '{"a": 1}', "x}", False),
        (False, None, "", "", "", False),
        (False, None, " \n", " \n", "", False),
        (False, None, "```json\n{}\n```", "", "```json\n{}\n```", False),
        (False, INTEGER, "15", "15", "", True),
        (False, INTEGER, "1.5", "1.5", "", False),
        (False, INTEGER, "1.5 ", "1.5", " ", False),
        (True, None, '{"a": 1}', '{"a": 1}', "", True),
        (True, None, "```json\n{}\n```", "\n{}\n", "", True),
        (True, None, " ```{}``` \n", " {}", "", True),
        (True, None, "```json\n12\n```\n", "\n12\n", "", True),
        (True, None, "```\n12```\n", "\n12", "", True),
        (True, None, "```json\n{}\n", "\n{}\n", "", True),
        (True, None, "```json\n{}\n``", "\n{}\n", "", True),
        (True, None, "```json\n{\n```", "\n{\n", "```", False),
        (True, None, '```json\n{"a": "```"}\n```', '\n{"a": "```"}\n', "", True),
        (True, None, "{}\n```", "{}\n", "```", False),
        (True, None, "```json\n{}\n```\nHope", "\n{}\n", "Hope", False),
        (True, None, "```python\n", "\n", "", False),
        (True, INTEGER, "```json\n1.5```", "\n1.5", "```", False),
    ],
)
def test_an_answer_is_parted_the_same_however_it_is_cut(
    strip: bool, schema: Any, text: str, good: str, bad: str, whole: bool
) -> None:
    for pieces in cuts(text):
        answer = Answer(None if schema is None else compile_schema(schema), strip)
        parts = [answer.feed(piece) for piece in pieces]
        assert "".join(part[0] for part in parts) == good
        assert "".join(part[1] for part in parts) == bad
        assert answer.broken == bool(bad)
        assert answer.finish() == (whole, "")
        assert answer.offset == (text.rindex(bad) if bad else 0)
        assert answer.empty == (not text.strip())


def test_what_may_become_a_fence_is_given_at_the_end() -> None:
    answer = Answer(None, True)
    assert answer.feed("``") == ("", "")
    assert answer.finish() == (False, "``")


def test_ticks_that_turn_out_to_be_no_end_are_lost_to_what_follows() -> None:
    """After complete JSON in a fence, backticks were removed before it was known that text follows them."""
    answer = Answer(None, True)
    assert [answer.feed(piece) for piece in ("```\n1\n", "``", "x")] == [("\n1\n", ""), ("", ""), ("", "x")]
