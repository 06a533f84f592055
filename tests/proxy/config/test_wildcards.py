"""Matching of names with a `*`."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.wildcards import Wildcards

PATTERNS = st.lists(st.text("ab*", max_size=5), max_size=12)


@settings(derandomize=True, deadline=None)
@given(PATTERNS, st.text("ab", max_size=6))
def test_each_name_is_taken_by_what_fits_around_it(names: list[str], name: str) -> None:
    expected = set()
    for pattern in names:
        before, star, after = pattern.partition("*")
        fits = len(name) >= len(before) + len(after) and name.startswith(before) and name.endswith(after)
        if star and "*" not in after and fits:
            expected.add((pattern, name[len(before) : len(name) - len(after)]))
    wildcards = Wildcards(names)
    found = list(wildcards.taking(name))
    assert len(found) == len(set(found)) and set(found) == expected
    assert (name in wildcards) is (name in names)
