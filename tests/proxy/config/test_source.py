"""YAML text to data and places."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.problems import ConfigIssue, SourceLocation
from proxy.config.source import Unreadable, read

ENVIRON = {"PORT": "8080", "KEY": "sk: {a} # ${PORT} $$", "EMPTY": "", "BAD": "\udcff"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: ${PORT}", "8080"),
        ("a: '${PORT}'", "8080"),
        ("a: |\n  x${PORT}\n", "x8080\n"),
        ("{a: ${PORT}}", "8080"),
        ("{a: ${PORT}, b: 1}", "8080"),
        ("{a: [${PORT}]}", ["8080"]),
        ("a: ${KEY}", "sk: {a} # ${PORT} $$"),
        ("a: ${NONE:-http://h:1/a b, [c] # d}", "http://h:1/a b, [c] # d"),
        ('{a: "${NONE:-x"y}"}', 'x"y'),
        ("a: ${NONE:-}", ""),
        ("a: ${NONE:-中文 é}", "中文 é"),
        ("a: ${EMPTY}", ""),
        ("a: ${EMPTY:-d}", "d"),
        ("a: x${PORT}y${PORT}", "x8080y8080"),
        ("a: $${PORT}", "${PORT}"),
        ("{a: $${PORT}}", "${PORT}"),
        ("a: '$${not a name'", "${not a name"),
        (r"a: '^\$$'", r"^\$$"),
        ("a: '$PORT $ $$'", "$PORT $ $$"),
        ("a: 1 # ${NONE}", 1),
        ('a: "\\x24{PORT}"', "8080"),
    ],
)
def test_references_are_replaced_in_text_values_and_never_parsed(text: str, expected: Any) -> None:
    source = read(text, ENVIRON)
    assert source.data["a"] == expected
    assert source.faults == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: ${NONE}", "the environment variable NONE is not set: set it, or write ${NONE:-default}"),
        ("a: '${1X}'", "begins no ${NAME}"),
        ("a: '${PORT'", "begins no ${NAME}"),
        ("a: ${X", "begins no ${NAME}"),
        ("a: '${}'", "begins no ${NAME}"),
        ("a: '${A:-${PORT}}'", "they do not nest"),
        ("a: ${BAD}", "the environment variable BAD is not valid UTF-8"),
        ("a: !secret x", "the tag '!secret' is not supported"),
        ("a: !!python/object:os.system x", "is not supported"),
        ("a: !!binary aGk=", "the tag 'binary' is not supported"),
        ("a: !!set {x: null}", "the tag 'set' is not supported"),
        ('a: "\\uD800"', "lone surrogate"),
    ],
)
def test_a_value_that_cannot_be_read_is_a_fault_at_its_place(text: str, message: str) -> None:
    source = read(text, ENVIRON)
    (fault,) = source.faults
    assert fault.path == ("a",) and message in fault.message
    assert source.place(fault) == SourceLocation(1, 4)
    assert source.broken == {("a",)}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\nb: 2\na: 3", SourceLocation(3, 1), "is given twice, first in line 1"),
        ("x:\n  <<: {a: 1}", SourceLocation(2, 3), "merge keys (<<) are not supported"),
        ("? [1, 2]\n: 3", SourceLocation(1, 3), "a key that is not plain text"),
        ("{{a}: 1}", SourceLocation(1, 2), "quote a value that begins with {"),
        ("${PORT}: 1", SourceLocation(1, 1), "a key cannot come from the environment"),
        ('"\\uD800": 1', SourceLocation(1, 1), "lone surrogate"),
    ],
)
def test_a_bad_key_is_a_fault_at_the_keys_place(text: str, place: SourceLocation, message: str) -> None:
    source = read(text, ENVIRON)
    (fault,) = source.faults
    assert message in fault.message
    assert source.place(fault) == place


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: [1", SourceLocation(1, 6), "is not valid YAML: while parsing a flow sequence"),
        ("a: b: c", SourceLocation(1, 5), "mapping values are not allowed here"),
        ("a:\n\t- 1", SourceLocation(2, 1), "cannot start any token"),
        ("a: *x", SourceLocation(1, 4), "found undefined alias 'x'; quote a text that begins with *"),
        ("a: [*]", SourceLocation(1, 6), "quote a text that begins with *"),
        ("a: 1\n---\nb: 2", SourceLocation(2, 1), "expected a single document"),
        ("{a: ${1X}}", SourceLocation(1, 6), "begins no ${NAME}"),
        ("a: 1\nb: \x07", SourceLocation(2, 4), "U+0007"),
        ("a: 1\nb: \U0010ff24", SourceLocation(2, 4), "private-use character U+10FF24"),
        ("[" * 800, SourceLocation(1, 34), "is nested deeper than 32"),
        ("a: &a [*a]", SourceLocation(1, 4), "nested deeper than 32"),
        (f"{'{a: ' * 40}1{'}' * 40}", SourceLocation(1, 133), "nested deeper than 32"),
    ],
)
def test_text_that_is_no_usable_yaml_is_refused_with_its_place(text: str, place: SourceLocation, message: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read(text, {})
    assert message in refusal.value.message
    assert refusal.value.place == place


INDENTATION = "this line's indentation does not fit the lines above"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ('a: "PRJ-\\d{4}"', "use single quotes for a pattern"),
        ("a: PRJ: x", "quote a text that holds ': '"),
        ("a: \\d{4}: x", "quote a text that holds ': '"),
        ("a: 1\n  b: 2", INDENTATION),
        ("a:\n  b: 1\n c: 2", INDENTATION),
        ("a:\n - b\n c: 1", INDENTATION),
        ("- a\nb: 1", INDENTATION),
        ("a:\n\tb: 1", "indent with spaces, not with tabs"),
        ("a: [a-z]+", "put the whole text in single quotes"),
        ("a: 'it's'", "put the whole text in single quotes"),
        ("a: [x", "close every bracket, brace and quotation mark"),
        ('a: "x', "close every bracket, brace and quotation mark"),
        ("a: {b: [a-z]{3}}", "put a text that holds one of [ ] { } , in single quotes"),
        ("a: @b", "put a text that begins with it in single quotes"),
        ("a: *.b", "quote a text that begins with *"),
        ("a: &", "quote a text that begins with &"),
        ("a: !b! c", "quote a text that begins with !"),
        ("a: |b", "quote a text that begins with | or >"),
        ("a: - b", "begin a list on a line of its own"),
        ("a: b\nc", "a line is `key: value`"),
        ("a: 1\n---\nb: 2", "remove what stands behind the line ---"),
    ],
)
def test_text_that_is_no_yaml_is_told_with_what_to_do(text: str, remedy: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read(text, {})
    assert refusal.value.message.startswith("is not valid YAML: ") and remedy in refusal.value.message


def test_an_anchor_that_blows_up_is_refused_quickly() -> None:
    levels = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10) if n else '1, 2'}]" for n in range(12)]
    begin = time.monotonic()
    with pytest.raises(Unreadable, match="more than 100000 values"):
        read("\n".join(levels), {})
    assert time.monotonic() - begin < 30


def test_anchors_work() -> None:
    assert read("a: &a {b: 1}\nc: *a", {}).data == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 010", 10),
        ("a: 1_000", 1000),
        ("a: 1:30", "1:30"),
        ("a: 0x1F", "0x1F"),
        ("a: .inf", ".inf"),
        ("a: 1.50", 1.5),
        ("a: yes", True),
        ("a: 'yes'", "yes"),
        ("a: off", False),
        ("a: ~", None),
        ("a:", None),
        ("a: 2024-02-01", "2024-02-01"),
        ("a: =", "="),
        (f"a: {'9' * 5000}", "9" * 5000),
    ],
)
def test_values_are_what_people_mean(text: str, expected: Any) -> None:
    value = read(text, {}).data["a"]
    assert value == expected and type(value) is type(expected)


def test_keys_are_text_as_written() -> None:
    assert list(read("on: 1\n1.50: 2\n~: 3\n2024-01-01: 4\nnull: 5", {}).data) == [
        "on",
        "1.50",
        "~",
        "2024-01-01",
        "null",
    ]


def test_a_fault_without_a_place_of_its_own_is_told_at_the_nearest_thing_above() -> None:
    source = read("a:\n  b: [x, {c: 1}]\n", {})
    assert source.place(ConfigIssue(("a", "b"), "")) == SourceLocation(2, 6)
    assert source.place(ConfigIssue(("a", "b"), "", "key")) == SourceLocation(2, 3)
    assert source.place(ConfigIssue(("a", "missing"), "")) == SourceLocation(1, 1)
    assert source.place(ConfigIssue(("a", "b", 1, "missing"), "")) == SourceLocation(2, 10)
    assert source.place(ConfigIssue(("other",), "")) == SourceLocation(1, 1)


def test_columns_hold_behind_a_reference() -> None:
    source = read("{a: ${PORT}, b: !x 1}", ENVIRON)
    assert [source.place(fault) for fault in source.faults] == [SourceLocation(1, 17)]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30).map(lambda text: text + "x"))
def test_whatever_the_environment_holds_arrives_as_it_is(value: str) -> None:
    assert read("{a: [${V}, '${V}']}", {"V": value}).data == {"a": [value, value]}


@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        read(text, ENVIRON)
    except Unreadable as refusal:
        assert refusal.place.line >= 1 and refusal.place.column >= 1


@given(st.text("{}[]:,#&*!|>'\"%@`$-? \nabON", max_size=40))
def test_no_signs_of_yaml_do_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        source = read(text, ENVIRON)
    except Unreadable:
        return
    for fault in source.faults:
        assert source.place(fault).line >= 1
