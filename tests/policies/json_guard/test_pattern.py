"""Patterns find what `re` finds, in linear time."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.json_guard.pattern import MOST_NODES, Pattern, Unsupported

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


@given(patterns, st.text(alphabet="ab1 é", max_size=8))
@settings(max_examples=500)
def test_what_re_finds_is_found(pattern: str, text: str) -> None:
    assert Pattern(pattern).search(text, free) == bool(re.search(pattern, text))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$", "ada@example.org", True),
        (r"^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$", "ada@example", False),
        (r"^\d{4}-\d{2}-\d{2}$", "2024-01-31", True),
        (r"^\d{4}-\d{2}-\d{2}$", "2024-01-31\n", False),  # `$` is the very end
        (r"(?i)^YES$", "yes", True),
        ("", "", True),
    ],
)
def test_common_patterns(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).search(text, free) is found


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a*)*b", "(.*a){12}b", "a*a*a*a*b"])
def test_patterns_that_explode_elsewhere_are_linear(pattern: str) -> None:
    spent: list[int] = []
    Pattern(pattern).search("a" * 1000 + "c", spent.append)
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
        ("((a{99}){99}){99}", f"more than {MOST_NODES} states"),
    ],
)
def test_what_is_not_searched_for_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        Pattern(pattern)
