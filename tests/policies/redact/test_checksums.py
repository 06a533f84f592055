"""The checksums agree with `python-stdnum`, for random numbers of which some are valid."""

import random
from collections.abc import Callable

import pytest

from policies.redact.entities import checksums

pytest.importorskip("stdnum")
from stdnum import iban, luhn
from stdnum.cn import ric
from stdnum.jp import in_


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


@pytest.mark.parametrize(
    ("ours", "theirs", "length"),
    [
        (checksums.luhn, luhn.is_valid, 16),
        (checksums.luhn, luhn.is_valid, 15),
        (checksums.jp_my_number, in_.is_valid, 12),
    ],
)
def test_random_digits_pass_or_fail_alike(
    ours: Callable[[str], bool], theirs: Callable[[str], bool], length: int
) -> None:
    rng = random.Random(1)
    passed = 0
    for _ in range(2000):
        number = digits(rng, length)
        assert ours(number) == theirs(number), number
        passed += ours(number)
    assert passed > 50


def test_chinese_ids_have_the_same_check_character() -> None:
    rng = random.Random(2)
    for _ in range(500):
        stem = (
            "110105" + str(rng.randint(1950, 2020)) + f"{rng.randint(1, 12):02}{rng.randint(1, 28):02}" + digits(rng, 3)
        )
        check = ric.calc_check_digit(stem + "0")
        for ch in "0123456789X":
            assert checksums.cn_resident_id(stem + ch) == (ch == check)


@pytest.mark.parametrize("country", ["DE", "GB", "FR", "NO", "MT", "NL", "CH"])
def test_ibans_pass_with_the_right_check_digits_only(country: str) -> None:
    rng = random.Random(3)
    rest = checksums._IBAN_LENGTHS[country] - 4
    for _ in range(50):
        body = digits(rng, rest)
        right = iban.calc_check_digits(country + "00" + body)
        assert checksums.iban(country + right + body)
        assert not checksums.iban(country + f"{(int(right) + 1) % 97:02}" + body)
