"""Columns, widths, and text that must not reach a terminal."""

import pytest

from proxy.cli.terminal import bad, columns, shortened, shown, width


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("密碼", 4), ("e\u0301", 1), (bad("red"), 3), ("", 0)])
def test_a_text_has_its_width_on_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


def test_rows_stand_in_columns_numbers_to_the_right() -> None:
    assert columns([("密碼", "1", "x"), ("abc", "100", "")], right=(1,)) == ["  密碼    1  x", "  abc   100"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb", "a\\nb"),
        ("a\u202eb", "a\\u202eb"),
        ("密碼 é", "密碼 é"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_steer_the_terminal_is_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_line_breaks_stay_where_they_are_wanted() -> None:
    assert shown("a\n\tb\r", lines=True) == "a\n\tb\\r"


@pytest.mark.parametrize(("text", "expected"), [("short", "short"), ("much longer", "much…"), ("密碼密碼", "密碼…")])
def test_a_long_text_is_cut_to_its_columns(text: str, expected: str) -> None:
    assert shortened(text, 5) == expected and width(expected) <= 5
