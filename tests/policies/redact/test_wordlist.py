"""Word lists as tries: exactly the words are found, and millions of words need little more memory than their text."""

import random
import string
import sys
import tracemalloc
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from policies.redact import Redactor
from policies.redact.characters import fold
from policies.redact.syntax import Unsupported
from policies.redact.wordlist import ROOT, Trie, WordList

LETTERS = "abé"


def trie_of(source: str | Sequence[str], *, normalize: bool = False, ignore_case: bool = False) -> Trie:
    return WordList("words", source, normalize=normalize, ignore_case=ignore_case).trie


def walked(trie: Trie, text: str) -> tuple[bool, bool] | None:
    """Return the node of a text: do words continue, and does one end? None for no node."""
    node, found = ROOT, None
    for char in text:
        step = trie.step(node, char)
        if step is None:
            return None
        node, found = step.node, (step.goes_on, step.ends)
    return found


WORDS = st.lists(st.text(st.sampled_from(LETTERS), min_size=1, max_size=5), min_size=1, max_size=120)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(WORDS, st.lists(st.text(st.sampled_from(LETTERS + "x"), min_size=1, max_size=6), max_size=20))
@example(["a" * n for n in range(1, 100)], ["a" * 99, "a" * 100])
@example(["a", "b"] * 50, ["a"])
def test_a_text_leads_where_words_begin_with_it(words: list[str], texts: list[str]) -> None:
    trie = trie_of(words)
    for text in (*words, *texts):
        longer = any(word.startswith(text) and word != text for word in words)
        expected = (longer, text in words) if longer or text in words else None
        assert walked(trie, text) == expected


@pytest.mark.parametrize("word", ["é", "ế", "résumé", "ấế"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("spelled", ["NFC", "NFD"])
def test_composed_letters_are_found_however_word_and_text_spell_them(word: str, form: str, spelled: str) -> None:
    trie = trie_of([unicodedata.normalize(form, word), "else"], normalize=True)  # type: ignore[arg-type]
    assert walked(trie, unicodedata.normalize(spelled, word)) == (False, True)  # type: ignore[arg-type]


def test_letters_that_differ_by_case_only_are_one() -> None:
    trie = trie_of(["Straße", "ÉCOLE", "İx"], normalize=True, ignore_case=True)
    for text in ("STRAßE", "école", "e\u0301cole", "ix"):
        assert walked(trie, "".join(map(fold, text))) == (False, True)
    redactor = Redactor([{"name": "w", "words": ["İx"]}])
    assert [redactor.apply(text) for text in ("İx", "I\u0307x", "ix")] == ["[W]"] * 3


def test_a_text_has_a_word_a_line_however_lines_end() -> None:
    trie = trie_of("\n\n one \r\ntwo\rthree\u2028four\x85\t\nfive")
    assert all(walked(trie, word) == (False, True) for word in ("one", "two", "three", "four", "five"))
    assert trie.longest == "three"


def test_a_long_text_loses_no_word_where_it_is_cut() -> None:
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdef", k=rng.randint(1, 9))) for _ in range(150_000)]
    trie, known = trie_of("\n".join(words)), set(words)
    for word in rng.sample(words, 2_000):
        found = walked(trie, word)
        assert found is not None and found[1]
        other = word[:-1] + rng.choice("abcdef")
        other_found = walked(trie, other)
        assert (other_found is not None and other_found[1]) is (other in known)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (["ok", "a\0b"], "U\\+0000"),
        ("ok\na\0b", "U\\+0000"),
        (["ok", "\u200b"], "the word '\\\\u200b'"),
        ("ok\n\u200b\u2060\n", "the word '\\\\u200b"),
    ],
)
def test_a_word_that_no_text_can_hold_is_refused(source: str | list[str], message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        trie_of(source, normalize=True)


@pytest.mark.parametrize(
    ("letters", "words"), [(string.ascii_lowercase, 110_000), ("".join(map(chr, range(0x4E00, 0x5200))), 30_000)]
)
def test_a_megabyte_of_words_takes_a_few_megabytes(letters: str, words: int) -> None:
    rng = random.Random(5)
    size = 1_000_000 // words // len(letters[0].encode())
    text = "\n".join("".join(rng.choices(letters, k=size)) for _ in range(words))
    tracemalloc.start()
    try:
        trie = trie_of(text, normalize=True, ignore_case=True)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert walked(trie, text[:size]) == (False, True)
    assert kept < 8 * 2**20  # as a node a letter: 140 MB
    assert most < 24 * 2**20


def test_the_text_is_let_go_once_the_trie_is_made() -> None:
    text = "\n".join(["one", "two"])
    held = sys.getrefcount(text)
    words = WordList("words_file", text, normalize=True, ignore_case=True)
    assert sys.getrefcount(text) == held + 1
    assert words.trie is words.trie
    assert sys.getrefcount(text) == held
    assert list(words.shown) == ["one", "two"]
