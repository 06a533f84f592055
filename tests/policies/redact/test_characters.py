import re
import sys

import pytest

from policies.redact.characters import decomposed, fold, mark, normalized, reads


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("a", "a"),
        ("Ａ", "A"),
        ("①", "1"),
        ("ﬁ", "fi"),
        ("㏄", "cc"),
        ("\u00a0", " "),
        ("\u200b", ""),
        ("\ufe0f", ""),
        ("\u0301", ""),
        ("\U000e0041", ""),
        ("\u2011", "-"),
        ("\u2014", "\u2014"),
        ("é", "é"),
        ("김", "김"),
        ("а", "а"),
        ("´", " "),
        ("\ud800", "\ud800"),
    ],
)
def test_a_character_reads_by_itself(raw: str, read: str) -> None:
    assert reads(raw) == read


def test_marks_are_told_in_either_width() -> None:
    assert (mark("\u0301"), mark("ﾞ"), mark("a")) == ("\u0301", "\u3099", "")


def test_composed_letters_come_apart_only_where_the_mark_is_invisible() -> None:
    assert decomposed("é") == ("e", "\u0301")
    assert decomposed("ế") == ("ê", "\u0301")
    assert decomposed("ガ") == ("カ", "\u3099")
    assert decomposed("김") is None and decomposed("a") is None


def test_a_text_reads_character_by_character() -> None:
    assert normalized("ｓe\u200bcﬁ①") == "secfi1"


def test_folding_holds_equal_what_re_does() -> None:
    letters = [chr(c) for c in range(0x250)] + list("ſKÅΣσςµμϐβẞßİıǅǆᲀв")
    for a in letters:
        alike = re.compile(re.escape(a), re.IGNORECASE)
        for b in letters:
            assert (fold(a) == fold(b)) == bool(alike.fullmatch(b)), (a, b)


def test_every_character_has_a_reading() -> None:
    for code in range(0, sys.maxunicode + 1, 7):
        assert all(reads(c) == c or reads(c) == "" or c == "-" for c in reads(chr(code)))
