"""The grammar is RFC 8259. It finds the first character that breaks a text, however the text is cut."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.json_guard.grammar import DEEPEST, Grammar
from tests.policies.json_guard.judging import cuts, first_bad, whole

VALID = [
    "0",
    "-0",
    "1",
    "-10.25e+3",
    "0.0",
    "1E9",
    "1e-09",
    "true",
    "false",
    "null",
    '""',
    '"a"',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u00e9\\uD83D\\uDE00"',
    '"\\ud800"',  # a lone surrogate
    '"\\uDE00\\uD83D"',
    '"\x7f\u0080\u2028\ufeff😀"',
    '"\ud800"',
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[1,2]",
    "[[],[[]],{}]",
    ' \t\r\n[ 1 , "a" , { "b" : null } ] \n',
    '{"a":1,"a":2}',
    '{"":{"":[]}}',
    '{"a" : 1 , "b":[true,false]}',
    "[" * DEEPEST + "]" * DEEPEST,
    "123456789012345678901234567890",
    "1e999",
]

INCOMPLETE = [
    "",
    " ",
    "-",
    "1.",
    "1e",
    "1e+",
    "tru",
    '"',
    '"a',
    '"\\',
    '"\\u12',
    "[",
    "[1",
    "[1,",
    "{",
    '{"',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
]

INVALID = [
    ("a", 0),
    ("NaN", 0),
    ("Infinity", 0),
    ("-I", 1),
    ("nil", 1),
    ("True", 0),
    ("nulll", 4),
    ("+1", 0),
    (".5", 0),
    ("01", 1),
    ("-01", 2),
    ("00", 1),
    ("1.a", 2),
    ("1.e1", 2),
    ("1ee", 2),
    ("1e+-", 3),
    ("1.2.3", 3),
    ("1 2", 2),
    ("0x1", 1),
    ("1_0", 1),
    ("１", 0),
    ("1\u0661", 1),
    ("'a'", 0),
    ('"\n"', 1),
    ('"a\x00"', 2),
    ('"\x1f"', 1),
    ('"\\x"', 2),
    ('"\\U0000"', 2),
    ('"\\u12g4"', 5),
    ('"\\u 123"', 3),
    ('"\\\n"', 2),
    ('"a" "b"', 4),
    ('"a""', 3),
    ("[,", 1),
    ("[1,]", 3),
    ("[1,,", 3),
    ("[1 2", 3),
    ("[1}", 2),
    ("]", 0),
    ("[]]", 2),
    ("[1]x", 3),
    ("[1:", 2),
    ("{,", 1),
    ("{1", 1),
    ("{]", 1),
    ("{a", 1),
    ("{'", 1),
    ('{"a",', 4),
    ('{"a"}', 4),
    ('{"a"1', 4),
    ('{"a":}', 5),
    ('{"a":,', 5),
    ('{"a":1,}', 7),
    ('{"a":1]', 6),
    ('{"a":1 "b"', 7),
    ('{"a":1,2', 7),
    ('{"a"::', 5),
    ("[1] // no", 4),
    ("/* no */", 0),
    ("\ufeff1", 0),
    ("\u00a01", 0),
    ("1\v", 1),
    ("[\f1]", 1),
    ("```json", 0),
    ("Here", 0),
    ("[" * (DEEPEST + 1), DEEPEST),
    ('{"a":' * DEEPEST + "{", 5 * DEEPEST),
]


@pytest.mark.parametrize("text", VALID)
def test_json_is_whole_however_it_is_cut(text: str) -> None:
    for pieces in cuts(text):
        checker = Grammar()
        assert [checker.feed(piece) for piece in pieces] == [None] * len(pieces)
        assert checker.complete and checker.finish()


@pytest.mark.parametrize("text", INCOMPLETE)
def test_what_may_go_on_is_neither_broken_nor_whole(text: str) -> None:
    for pieces in cuts(text):
        checker = Grammar()
        assert [checker.feed(piece) for piece in pieces] == [None] * len(pieces)
        assert not checker.complete and not checker.finish()


@pytest.mark.parametrize(("text", "place"), INVALID)
def test_the_first_character_that_breaks_a_text_is_told_however_it_is_cut(text: str, place: int) -> None:
    for pieces in cuts(text):
        assert first_bad(pieces) == place


def test_a_broken_text_stays_broken() -> None:
    checker = Grammar()
    assert checker.feed("[1}") == 2
    assert checker.feed("]") == 0
    assert not checker.finish()


@pytest.mark.parametrize(
    ("text", "complete"), [("1`", True), ("{}`", True), ("[1`", False), ("tru`", False), ("1.`", False)]
)
def test_a_broken_text_tells_whether_it_was_whole_before(text: str, complete: bool) -> None:
    checker = Grammar()
    assert checker.feed(text) == len(text) - 1
    assert checker.complete is complete and not checker.finish()


@pytest.mark.parametrize(
    ("alphabet", "prefix", "longest"),
    [
        ("[]1,", 4, 8),
        ('{}":,', 3, 8),
        ("-01.e", 5, 8),
        ('"\\u0b', 3, 8),
        ("nul[]", 3, 8),
        (' 1"[]', 3, 6),
        ("{}[],1", 3, 7),
    ],
)
def test_each_prefix_agrees_with_all_its_continuations(alphabet: str, prefix: int, longest: int) -> None:
    """Texts are broken exactly where no text up to the longest continues them to JSON."""
    possible: set[str] = set()
    for length in range(longest + 1):
        for letters in itertools.product(alphabet, repeat=length):
            text = "".join(letters)
            if _is_json(text):
                possible.update(text[:at] for at in range(length + 1))
    for length in range(prefix + 1):
        for letters in itertools.product(alphabet, repeat=length):
            text = "".join(letters)
            assert (first_bad([text]) is None) == (text in possible), text


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(documents, st.booleans(), st.sampled_from([None, 1]), st.data())
@settings(max_examples=150)
def test_documents_are_whole_and_none_of_their_prefixes_is_broken(
    document: Any, ascii_only: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in itertools.pairwise([0, *places, len(text)])]
    assert first_bad(pieces) is None and whole(text)


@given(documents, st.integers(0, 10**6), st.sampled_from(list('{}[]",:\\0-.e \nx"')) | st.characters(), st.booleans())
@example([1], 1, "", False)
@settings(max_examples=300)
def test_damaged_documents_are_judged_as_by_the_standard_library(
    document: Any, at: int, letter: str, replace: bool
) -> None:
    text = json.dumps(document)
    at %= len(text) + 1
    text = text[:at] + letter + text[at + replace :]
    assert whole(text) == _is_json(text)
    if _is_json(text):
        assert first_bad(list(text)) is None


@given(st.text(alphabet='{}[]",:\\u0a1-.e tn', max_size=24))
@settings(max_examples=300)
def test_the_place_does_not_depend_on_the_cuts(text: str) -> None:
    places = {first_bad(pieces) for pieces in cuts(text)}
    assert len(places) == 1
    place = places.pop()
    if place is not None:
        assert first_bad([text[:place]]) is None
        assert first_bad([text[: place + 1]]) == place


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(name)
