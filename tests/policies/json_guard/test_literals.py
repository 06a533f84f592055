"""A cursor over a set of strings knows at each unit if one of them can still match."""

from hypothesis import given
from hypothesis import strategies as st

from policies.json_guard.literals import Cursor, Literals, in_units

words = st.text(alphabet="ab😀é\ud800", max_size=4)


@given(st.sets(words, max_size=6), words)
def test_a_cursor_agrees_with_a_search_of_all_strings(strings: set[str], text: str) -> None:
    units, wanted = in_units(text), {in_units(string) for string in strings}
    cursor = Cursor(Literals(strings))
    assert cursor.open() == bool(strings)
    for at in range(1, len(units) + 1):
        left = any(string.startswith(units[:at]) for string in wanted)
        assert cursor.push(ord(units[at - 1])) == left
    assert cursor.exact() == (units if units in wanted else None)


@given(st.sets(words, max_size=6), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_narrowing_keeps_the_strings_whose_next_unit_is_in_the_range(strings: set[str], low: int, high: int) -> None:
    cursor = Cursor(Literals(strings))
    assert cursor.narrow(low, high) == any(s and low <= ord(in_units(s)[0]) <= high for s in strings)


def test_characters_beyond_the_basic_plane_are_two_units() -> None:
    assert in_units("a😀\ud800") == "a\ud83d\ude00\ud800"
    assert in_units("plain é") == "plain é"
