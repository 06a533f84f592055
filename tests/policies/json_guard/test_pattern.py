"""Patterns find the same as `re`, in linear time."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.json_guard.pattern import MAX_DEPTH, MAX_LENGTH, MAX_NODES, Pattern, Unsupported
from policies.steps import finished
from tests.instructions import Instructions

atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w", r"\d", r"\b", r"\B", "^", "$", r"\A", r"\s"])
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join).map("(?:{})".format),
        st.builds(
            "(?:{}){}".format,
            inner,
            st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?", "??"]),
        ),
        inner.map("({})".format),
    ),
    max_leaves=6,
)


def free(steps: int) -> None:
    """Spends nothing."""


def made(pattern: str) -> Pattern:
    ready = Pattern(pattern)
    finished(ready.steps(free))
    return ready


def found(pattern: str, text: str) -> bool:
    return finished(made(pattern).search(text, free))


@given(patterns, st.text(alphabet="ab1 é", max_size=8))
@settings(max_examples=500)
def test_what_re_finds_is_found(pattern: str, text: str) -> None:
    assert found(pattern, text) == bool(re.search(pattern, text))


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$", "ada@example.org", True),
        (r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$", "ada@example", False),
        (r"^\d{4}-\d{2}-\d{2}$", "2024-01-31", True),
        (r"^\d{4}-\d{2}-\d{2}$", "2024-01-31\n", False),  # `$` is the very end
        (r"(?i)^YES$", "yes", True),
        ("", "", True),
    ],
)
def test_common_patterns(pattern: str, text: str, expected: bool) -> None:
    assert found(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "(.*a){12}b", "a*a*a*a*b"])
def test_patterns_that_explode_elsewhere_are_linear(pattern: str) -> None:
    spent: list[int] = []
    finished(made(pattern).search("a" * 1000 + "c", spent.append))
    assert sum(spent) < 60_000


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "cannot be read"),
        (r"\p{L}", "cannot be read"),
        ("(?=a)", "uses look-around"),
        ("(?<!a)b", "uses look-around"),
        (r"(a)\1", "a back-reference"),
        ("a++", "a possessive repeat"),
        ("(?m)^a", "multi-line"),
        ("a(?i:b)", "changes flags"),
        ("((a{99}){99}){99}", f"more than {MAX_NODES} states"),
        ("(?:" * 20 + "a" + "){1000}" * 20, f"more than {MAX_NODES} states"),
        ("(?:a|b{0,3000}){2}", f"more than {MAX_NODES} states"),
        ("(?:" + "()" * 1000 + "a){4000}", f"more than {MAX_NODES} states"),
        ("(?:){4294967294}", f"repeats a part more than {MAX_NODES} times"),
        ("(?:){20000000,}", f"repeats a part more than {MAX_NODES} times"),
        ("(?:|){0,20000000}", f"repeats a part more than {MAX_NODES} times"),
        ("(?:(?:){5000}){5001}", f"repeats a part more than {MAX_NODES} times"),
        ("a" * (MAX_LENGTH + 1), f"more than {MAX_LENGTH} characters"),
        ("(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1), f"nests groups deeper than {MAX_DEPTH}"),
        ("(" * 1999 + ")" * 1999, "cannot be read|nests groups deeper"),
        ("(?P<" + "n" * 3900, "cannot be read"),
    ],
)
def test_what_is_not_searched_for_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason) as refused:
        made(pattern)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a(?:){5000}b", "ab"),
        ("a(?:(?:)|()){3}b", "ab"),
        ("a(?:(?:(?:){5000}){5000}){5000}b", "ab"),
        ("a(?:){0,5000}b(?:)*(?:)+c", "abc"),
        ("(?:|||a|||b){3}c", "abac"),
        ("[[]a[a&&~~||-]", "[a&"),  # of which `re` would warn on standard error
    ],
)
def test_what_is_empty_however_often_it_is_repeated_takes_no_room(pattern: str, text: str) -> None:
    assert found(pattern, text)
    assert made(pattern).size < 20


@pytest.mark.parametrize("pattern", ["(?:|||a|||b){1000}", "(?:()()()a){1000}", "[a-c\u4e00-\u9fff]{1000}"])
def test_a_pattern_is_paid_for_before_it_is_made(pattern: str) -> None:
    spent: list[int] = []
    ready = Pattern(pattern)
    with Instructions("policies") as run:
        finished(ready.steps(spent.append))
    assert run.count < 60 * sum(spent)


@pytest.mark.parametrize("flags", ["", "(?i)"])
def test_sets_beyond_latin_are_paid_for_by_what_re_makes_of_them(flags: str) -> None:
    spent: list[int] = []
    finished(Pattern(flags + "".join(f"[\u0100-{chr(0xFFF0 + n)}]" for n in range(10))).steps(spent.append))
    assert sum(spent) > 10 * 3000


def test_branches_of_nothing_are_one_way() -> None:
    ready = made(f"(?:{'|' * 3900}a){{5}}")
    with Instructions("policies") as run:
        assert finished(ready.search("b", free))
    assert run.count < 10_000


def test_making_and_searching_pause() -> None:
    assert sum(1 for _ in Pattern("".join(map(chr, range(0x100, 0x200)))).steps(free)) > 100
    assert sum(1 for _ in made("(a|aa)+b").search("a" * 10_000, free)) > 100
    assert sum(1 for _ in made("x").search("a" * 100_000, free)) > 100, "although no character begins a match"
