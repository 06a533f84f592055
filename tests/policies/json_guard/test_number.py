"""The check of a number's prefixes is exact: can it still be an integer, or one of these numbers?"""

import itertools
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.json_guard.number import Number, target

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def possible(text: str, integer: bool, numbers: list[float] | None) -> bool:
    number = Number(integer, None if numbers is None else map(target, numbers))
    return all([number.push(char) for char in text])


def fits(text: str, integer: bool, numbers: list[float] | None) -> bool:
    number = Number(integer, None if numbers is None else map(target, numbers))
    return all([number.push(char) for char in text]) and number.end()


@pytest.mark.parametrize(
    ("integer", "numbers"),
    [(True, None), (False, [1]), (False, [15]), (False, [0]), (False, [-5]), (False, [0.5, 10]), (True, [0.5, 50])],
)
def test_each_prefix_agrees_with_its_continuations(integer: bool, numbers: list[float] | None) -> None:
    for length in range(1, 4):
        for letters in itertools.product("-015.e", repeat=length):
            prefix = "".join(letters)
            texts = [text for text in map(prefix.__add__, _tails(prefix)) if NUMBER.fullmatch(text)]
            if not texts:
                continue
            wanted = [text for text in texts if _wanted(text, integer, numbers)]
            assert possible(prefix, integer, numbers) == bool(wanted), prefix
            assert all(fits(text, integer, numbers) for text in wanted)
            others = set(texts[:200]).difference(wanted)
            assert not any(fits(text, integer, numbers) for text in others)


def _tails(prefix: str) -> list[str]:
    """List continuations of a prefix: more digits, and every small exponent."""
    if "e" in prefix:
        return ["", *map(str, range(-30, 31))]
    digits = ["".join(letters) for length in range(4) for letters in itertools.product("015.", repeat=length)]
    return [*digits, *(f"{more}e{exponent}" for more in digits for exponent in range(-6, 7))]


def _wanted(text: str, integer: bool, numbers: list[float] | None) -> bool:
    value = Decimal(text)
    return (not integer or value == value.to_integral_value()) and (
        numbers is None or any(value == Decimal(repr(number)) for number in numbers)
    )


@given(
    st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, width=32),
    st.integers(-9, 9),
    st.sampled_from(["e", "E", "E+", "e-0"]),
)
def test_every_spelling_of_a_number_is_that_number(value: float, shift: int, mark: str) -> None:
    if mark == "e-0":
        shift = abs(shift)
    elif mark == "E+":
        shift = -abs(shift)
    text = f"{Decimal(repr(value)).scaleb(shift):f}{mark}{-shift if mark != 'e-0' else shift}"
    assert NUMBER.fullmatch(text)
    assert fits(text, False, [value, 7.25])
    assert fits(text, True, None) == (value == int(value))


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_what_is_no_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        target(number)
