"""Output and its time: each row with every cut and one character at a time."""

import pytest

from policies.redact import Match, Redactor
from tests.policies.redact.oracle import Spec
from tests.policies.redact.splits import check, every_cut, run

K = {"name": "k", "ignore_case": False, "replace": "[K]"}
CASES: list[tuple[str, list[Spec], str, str]] = [
    # keywords
    ("a word is found at every cut", [{**K, "words": ["secret"]}], "a secret b", "a [K] b"),
    ("a false start keeps the start inside it", [{**K, "words": ["aab"]}], "aaaab", "aa[K]"),
    ("falling back leaves what began behind", [{**K, "words": ["ab", "abcde", "cdx"]}], "abcdx", "[K][K]"),
    ("the leftmost of two that overlap wins", [{**K, "words": ["abc", "bcde"]}], "abcde", "[K]de"),
    ("adjacent matches are two", [{**K, "words": ["ab"]}], "ababab", "[K][K][K]"),
    ("labels are not scanned again", [{**K, "words": ["foo"], "replace": "foofoo"}], "xfoo", "xfoofoo"),
    (
        "a whole word ends at the end of the text",
        [{**K, "words": ["cat"], "whole_word": True}],
        "concat cat",
        "concat [K]",
    ),
    ("a chunk's end is no boundary", [{**K, "words": ["cat"], "whole_word": True}], "cat cats cat.", "[K] cats [K]."),
    ("case is ignored unless told", [{"name": "k", "words": ["Straße", "ΣΑΣ"]}], "STRAßE σας ΣΑς", "[K] [K] [K]"),
    ("the Kelvin sign is a k", [{"name": "k", "words": ["ok"], "normalize": False}], "o\u212a", "[K]"),
    ("Chinese needs no spaces", [{"name": "k", "words": ["密碼", "身分證"]}], "我的密碼是身分證號", "我的[K]是[K]號"),
    ("the longest word wins", [{"name": "k", "words": ["a", "ab", "abc"]}], "abcab", "[K][K]"),
    # regexes
    ("an alternative within may yet lose", [{"name": "r", "regex": "abc|b"}], "ab abc", "a[R] [R]"),
    ("look-ahead waits one character", [{"name": "r", "regex": "cat(?!s)"}], "cats cat", "cats [R]"),
    ("look-behind sees what went out", [{"name": "r", "regex": r"(?<!\d)\d{4}(?!\d)"}], "91234 1234", "91234 [R]"),
    (
        "look-behind sees the raw text",
        [{"name": "a", "regex": "x"}, {"name": "b", "regex": "(?<=x)y"}],
        "xyy",
        "[A][B]y",
    ),
    ("^ is the text's start only", [{"name": "r", "regex": "^abc"}], "abcabc", "[R]abc"),
    ("(?m)^ is each line's start", [{"name": "r", "regex": "(?m)^a"}], "aa\na", "[R]a\n[R]"),
    ("(?m)$ is each line's end", [{"name": "r", "regex": "(?m)a$"}], "aa\na", "a[R]\n[R]"),
    (r"\Z is the text's end only", [{"name": "r", "regex": r"abc\Z"}], "abcabc", "abc[R]"),
    ("lazy stops early", [{"name": "r", "regex": "a.*?b"}], "axbxb", "[R]xb"),
    ("greedy goes on", [{"name": "r", "regex": "a.*b"}], "axbxbx", "[R]x"),
    ("a scoped flag", [{"name": "r", "regex": r"(?i:secret)-\d+"}], "SeCrEt-12 secret-", "[R] secret-"),
    ("a counted repeat", [{"name": "r", "regex": r"\d{1,50}Z"}], "1" * 60 + "Z", "1" * 10 + "[R]"),
    ("nested repeats cost nothing", [{"name": "r", "regex": "(a+)+Z"}], "a" * 60, "a" * 60),
    # several rules
    ("a tie goes to the earlier", [{"name": "a", "regex": "[a-z]{3}"}, {"name": "b", "regex": "abc"}], "abc", "[A]"),
    (
        "the longest of all rules wins",
        [{"name": "w", "words": ["sk"]}, {"name": "b", "regex": "sk-[a-z]{4,}"}],
        "sk-abcdef sk-x",
        "[B] [W]-x",
    ),
    (
        "a later start is found once the earlier dies",
        [{"name": "a", "regex": "ab[0-9]{3}z"}, {"name": "b", "regex": "[0-9]{3}"}],
        "ab123y",
        "ab[B]y",
    ),
    (
        "a match of one kind discards starts of another inside it",
        [{"name": "e", "entity": "email"}, {"name": "w", "words": ["corp.tw and"]}],
        "amy@corp.tw and",
        "[E] and",
    ),
    # validators
    (
        "a failing prefix does not hide a card",
        [{"name": "c", "entity": "credit_card"}],
        "12 4111111111111111.",
        "12 [C].",
    ),
    ("what follows a card stays", [{"name": "c", "entity": "credit_card"}], "4111 1111 1111 1111 12", "[C] 12"),
    # normalisation
    ("full-width reads as ASCII", [{"name": "k", "words": ["secret"]}], "ａｓｅｃｒｅｔ", "ａ[K]"),
    (
        "invisible characters are the match's",
        [{"name": "k", "words": ["secret"]}],
        "a sec\u200bret\u200b b",
        "a [K]\u200b b",
    ),
    ("ligatures read as letters", [{"name": "k", "words": ["office"]}], "oﬃce ofﬁce", "[K] [K]"),
    ("a match within a ligature takes it whole", [{"name": "k", "words": ["of"]}], "oﬃce", "[K]ce"),
    (
        "composed and spelled out are the same",
        [{"name": "k", "words": ["café"]}],
        "café cafe\u0301 cafe",
        "[K] [K] cafe",
    ),
    (
        "marks laid over letters do not hide",
        [{"name": "k", "words": ["secret"]}],
        "s\u0336e\u0336c\u0336r\u0336et",
        "[K]",
    ),
    ("voiced kana in half width", [{"name": "k", "words": ["ガス"]}], "ｶﾞｽ ガス カ\u3099ス", "[K] [K] [K]"),
    ("normalize: false takes text as it is", [{**K, "words": ["a"], "normalize": False}], "ａa", "ａ[K]"),
    (
        "rules of both kinds",
        [{**K, "words": ["a"], "normalize": False}, {"name": "r", "regex": "bb"}],
        "ａaｂｂ",
        "ａ[K][R]",
    ),
    ("full-width digits in a class", [{"name": "r", "regex": "[０-９]{2}：x"}], "１2:x", "[R]"),
    # actions
    ("a mask has one for each", [{"name": "m", "words": ["secret"], "mask": "*"}], "a secret", "a ******"),
    ("keep_last keeps the last", [{"name": "m", "regex": r"\d+", "mask": "#", "keep_last": 2}], "1234 x", "##34 x"),
    (
        "keep_last never keeps all",
        [{"name": "m", "regex": r"\d+", "mask": "#", "keep_last": 4}],
        "123 1234",
        "### ####",
    ),
    ("a rule in shadow changes nothing", [{**K, "words": ["a"], "mode": "shadow"}], "bab", "bab"),
    (
        "flags change nothing",
        [{"name": "f", "words": ["a"], "action": "flag"}, {**K, "words": ["ab"]}],
        "abab",
        "[K][K]",
    ),
    ("a default label is the name", [{"name": "ticket", "regex": r"PRJ-\d{4}"}], "PRJ-1234", "[TICKET]"),
]


@pytest.mark.parametrize(("specs", "text", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_cut_gives_the_same(specs: list[Spec], text: str, expected: str) -> None:
    check(Redactor(specs), text, expected)


@pytest.mark.parametrize(
    ("specs", "text", "expected", "rule"),
    [
        ([{"name": "b", "words": ["bomb"], "action": "block"}], "make a bomb now", "make a ", "b"),
        (
            [{"name": "e", "entity": "email"}, {"name": "b", "words": ["evil"], "action": "block"}],
            "hi bob@evil.com",
            "hi ",
            "b",
        ),
        ([{"name": "b", "regex": r"x\Z", "action": "block"}], "axbx", "axb", "b"),
        (
            [{"name": "k", "entity": "openai_key"}, {"name": "b", "words": ["evil"], "action": "block"}],
            "sk-" + "a1" * 10 + "evil",
            "[K]",
            "b",
        ),
        ([{"name": "b", "words": ["bomb"], "action": "block", "mode": "shadow"}], "a bomb", "a bomb", None),
    ],
)
def test_a_block_ends_the_text_and_drops_what_is_held(
    specs: list[Spec], text: str, expected: str, rule: str | None
) -> None:
    redactor = Redactor(specs)
    for chunks in every_cut(text):
        stream = redactor.stream()
        assert run(stream, chunks) == expected
        assert stream.blocked == rule


def test_matches_tell_the_rule_and_place_never_the_text() -> None:
    stream = Redactor([{"name": "f", "regex": r"\S*@", "action": "flag"}, {"name": "e", "entity": "email"}]).stream()
    assert stream.feed("hi bob@ex.com ") == "hi [E] "
    assert sorted(stream.matches) == [Match("e", 3, 13), Match("f", 3, 7)]


@pytest.mark.parametrize(
    ("specs", "text", "held"),
    [
        ([{"name": "k", "words": ["zebra"]}], "the quick brown fox", 0),
        ([{"name": "f", "regex": "[a-z ]+!", "action": "flag"}], "plain prose here", 0),
        ([{"name": "s", "entity": "email", "mode": "shadow"}], "plain prose here", 0),
        ([{"name": "e", "entity": "email"}], "ordinary words only", 8),
        ([{"name": "e", "entity": "email"}], "每個中文字都不停留", 0),
        ([{"name": "r", "regex": r"a(?<=b)x"}], "aaaa", 0),
        ([{"name": "j", "regex": "k-[a-z]{3,}"}], "k-abcdefghijklmnop", 4),
        ([{"name": "p", "entity": "private_key"}], "-----BEGIN PRIVATE KEY-----\nMIIBAAAA", 26),
    ],
)
def test_text_is_held_only_while_it_could_be_part_of_a_match(specs: list[Spec], text: str, held: int) -> None:
    stream = Redactor(specs).stream()
    most = 0
    for ch in text:
        stream.feed(ch)
        most = max(most, stream.held)
    assert most == held


def test_a_certain_label_goes_out_at_once_and_the_rest_is_swallowed() -> None:
    stream = Redactor([{"name": "k", "entity": "openai_key"}]).stream()
    assert stream.feed("sk-" + "a" * 19) == ""
    assert stream.feed("a") == "[K]"
    assert stream.feed("a" * 5000) == "" and stream.held == 0
    assert stream.feed(" b") == " b"


def test_a_mask_grows_with_the_match() -> None:
    stream = Redactor([{"name": "m", "regex": r"k\d+", "mask": "*", "keep_last": 1}]).stream()
    assert [stream.feed(ch) for ch in "k123 "] == ["", "*", "*", "*", "3 "]


@pytest.mark.parametrize("natural", [True, False])
def test_only_a_natural_end_releases_what_is_held(natural: bool) -> None:
    stream = Redactor([{"name": "e", "entity": "email"}]).stream()
    assert stream.feed("mail bob@ex.c") == "mail "
    assert stream.close(natural) == ("bob@ex.c" if natural else "")
    assert stream.held == 0 and stream.feed("more") == "" and stream.close() == ""


def test_a_match_whose_label_went_out_counts_at_an_unnatural_end() -> None:
    stream = Redactor([{"name": "k", "entity": "openai_key"}]).stream()
    assert stream.feed("sk-" + "a" * 30) == "[K]"
    stream.close(natural=False)
    assert stream.matches == [Match("k", 0, 33)]


@pytest.mark.parametrize(
    ("mode", "text", "expected"),
    [
        ("closed", "x<abcdefghij> y", "x[REDACTED] y"),
        ("closed", "x<abc> y", "x[R] y"),
        ("closed", "x<" + "a" * 30, "x[REDACTED]aaa"),
        ("open", "x<abcdefghij> y", "x<abcd[R] y"),
        ("open", "x<" + "a" * 30, "x<" + "a" * 30),
    ],
)
def test_past_the_bound_text_is_replaced_or_let_go(mode: str, text: str, expected: str) -> None:
    redactor = Redactor([{"name": "r", "regex": "<[^>]*(?:>|!)"}], max_hold=6, on_overflow=mode)  # type: ignore[arg-type]
    for chunks in every_cut(text):
        stream = redactor.stream()
        out = ""
        for chunk in chunks:
            out += stream.feed(chunk)
            assert stream.held <= 6
        assert out + stream.close() == expected


def test_pieces_give_what_feed_gives() -> None:
    redactor = Redactor([{"name": "pii", "entity": "pii"}, {"name": "w", "words": ["and", "the"]}])
    text = "the card 4111 1111 1111 1111 and a@b.com and so on, " * 40
    stream = redactor.stream()
    out = list(stream.pieces(text))
    assert "".join(out) + stream.close() == redactor.apply(text)
    assert len(out) > 4


def test_equal_values_get_equal_hashes_under_one_key_only() -> None:
    specs = [{"name": "e", "entity": "email", "action": "hash"}]
    one, other = Redactor(specs, hash_key="k"), Redactor(specs, hash_key="l")
    first, second = one.apply("a@b.com ａ@b.com").split()
    assert first == second and first.startswith("[E:") and "a@b" not in first
    assert other.apply("a@b.com") != first


def test_what_the_client_has_already_still_counts_for_a_match() -> None:
    stream = Redactor([{"name": "e", "entity": "email"}]).stream()
    stream.feed("write to bob")
    stream.skip()
    assert stream.feed("@ex.com now ") == "[E] now "
    stream = Redactor([{"name": "e", "entity": "email"}]).stream()
    stream.feed("write to bob")
    stream.skip()
    assert stream.feed("by now ") == "by now "
    stream = Redactor([{"name": "c", "entity": "credit_card"}]).stream()
    stream.feed("pay 4111 1")
    stream.skip()
    assert [stream.feed(piece) for piece in ("1", "1", " x", "y")] == ["", "", "11 x", "y"]


def test_of_blocks_that_one_character_completes_the_one_that_ended_first_is_reported() -> None:
    rules = [{"name": "word", "words": ["1"], "whole_word": True}, {"name": "around", "regex": r" \d\n"}]
    redactor = Redactor([{**rule, "action": "block"} for rule in rules])
    for chunks in every_cut("a 1\nb"):
        stream = redactor.stream()
        assert run(stream, chunks) == "a"
        assert (stream.blocked, stream.matches) == ("word", [Match("word", 2, 3)])
