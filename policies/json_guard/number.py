"""Incremental check of a JSON number: can it still be an integer, and can it still be one of given numbers?

Numbers are mathematical: `1`, `1.0`, `10e-1` and `0.1E+1` are one number, and `1.5` may still become an integer
(`1.5e1`). The result is exact for each prefix.

A number is a sign, digits (without the zeros around them) and a power of ten. Before the exponent, a prefix can become
a number if its digits begin that number's digits, because the exponent can then move the point anywhere. The `e` fixes
the digits, and so the exponent that is needed. Only counters are kept, never the digits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

_MAX = 10**9
"""Limit of an exponent that is followed. No answer has so many digits."""


@dataclass(frozen=True, slots=True)
class Target:
    """A number: ± `digits` times ten to `power`. Zero has no digits."""

    negative: bool
    digits: str
    power: int


def target(value: int | float) -> Target:
    """Convert a number. Raises `ValueError` for infinity and NaN."""
    sign, digits, power = Decimal(repr(value) if isinstance(value, float) else value).as_tuple()
    if not isinstance(power, int):
        raise ValueError("not a finite number")
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return Target(False, "", 0)
    return Target(bool(sign), stripped, power + len(text) - len(stripped))


class Number:
    """A number so far. `targets` are the numbers that it may be, None for any."""

    def __init__(self, integer: bool, targets: Iterable[Target] | None) -> None:
        self._integer = integer
        self._targets = None if targets is None else [each for each in targets if each.power >= 0 or not integer]
        self._negative = False
        self._digits = 0  # counted from the first that is not 0
        self._zeros = 0  # trailing zeros
        self._fraction = 0
        self._in_fraction = False
        self._in_exponent = False
        self._exponent_sign = ""
        self._exponent = 0

    @property
    def cost(self) -> int:
        """The approximate number of steps for the next character."""
        return 2 + (0 if self._targets is None else len(self._targets))

    def push(self, char: str) -> bool:
        """Take a character of a well-formed number. Return true if it can still become one of the targets."""
        if char in "eE":
            self._in_exponent = True
            self._keep(self._digits_whole)
        elif self._in_exponent:
            self._push_exponent(char)
        elif char == "-":
            self._negative = True
            self._keep(lambda wanted: wanted.negative or not wanted.digits)
        elif char == ".":
            self._in_fraction = True
        else:
            self._push_digit(char)
        return self._possible()

    def end(self) -> bool:
        """End the number. Return true if it is one of the targets."""
        if self._integer and self._digits and self._power() + self._zeros < 0:
            return False
        return self._targets is None or any(self._equal(wanted) for wanted in self._targets)

    def _push_digit(self, char: str) -> None:
        self._fraction += self._in_fraction
        if not self._digits and char == "0":
            self._keep(lambda wanted: not wanted.digits or wanted.negative == self._negative)
            return
        at = self._digits
        self._digits += 1
        self._zeros = self._zeros + 1 if char == "0" else 0
        self._keep(
            lambda wanted: (
                wanted.negative == self._negative
                and (wanted.digits[at : at + 1] or "0") == char
                and wanted.digits != ""
            )
        )

    def _push_exponent(self, char: str) -> None:
        if char in "+-":
            self._exponent_sign = char
        else:
            self._exponent_sign = self._exponent_sign or "+"
            self._exponent = min(self._exponent * 10 + int(char), _MAX)
        self._keep(self._exponent_fits)

    def _keep(self, fits: Callable[[Target], bool]) -> None:
        if self._targets is not None:
            self._targets = [wanted for wanted in self._targets if fits(wanted)]

    def _possible(self) -> bool:
        if self._targets is not None and not self._targets:
            return False
        if self._integer and self._exponent_sign == "-" and self._digits:
            return self._power() + self._zeros >= 0
        return True

    def _power(self) -> int:
        exponent = -self._exponent if self._exponent_sign == "-" else self._exponent
        return exponent - self._fraction

    def _digits_whole(self, wanted: Target) -> bool:
        return self._digits >= len(wanted.digits) and bool(wanted.digits) == bool(self._digits)

    def _needed(self, wanted: Target) -> int:
        """Return the exponent that makes it equal to `wanted`."""
        return wanted.power - (self._digits - len(wanted.digits)) + self._fraction

    def _exponent_fits(self, wanted: Target) -> bool:
        if not wanted.digits:
            return True
        needed = self._needed(wanted)
        if needed and (needed < 0) != (self._exponent_sign == "-"):
            return False
        return not self._exponent or str(abs(needed)).startswith(str(self._exponent))

    def _equal(self, wanted: Target) -> bool:
        if not self._digits_whole(wanted):
            return False
        return not wanted.digits or (
            wanted.negative == self._negative and self._power() + self._fraction == self._needed(wanted)
        )
