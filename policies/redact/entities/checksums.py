"""Validators: can a match that looks like a registered number be one?

A validator takes the matched text as the rule reads it. It returns true or false and never raises. The tests compare
with `python-stdnum` where it knows the number.
"""

import math
import re
from collections import Counter
from ipaddress import AddressValueError, IPv6Address
from typing import Final

_LENGTHS: Final = (
    # first digits from, to, and the lengths their issuer uses
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("36", "36", (14, 15, 16, 17, 18, 19)),  # Diners Club
    ("300", "305", (14, 16)),
    ("38", "39", (14, 16, 17, 18, 19)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("81", "81", (16, 17, 18, 19)),
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("5018", "5018", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("5020", "5020", (13, 14, 15, 16, 17, 18, 19)),
    ("5038", "5038", (13, 14, 15, 16, 17, 18, 19)),
    ("56", "58", (13, 14, 15, 16, 17, 18, 19)),
    ("6304", "6304", (13, 14, 15, 16, 17, 18, 19)),
    ("67", "67", (13, 14, 15, 16, 17, 18, 19)),
)

_PREFIX: Final = 4
_ISSUED: Final = {
    (length, f"{number:04}")
    for low, high, lengths in _LENGTHS
    for number in range(int(low.ljust(_PREFIX, "0")), int(high.ljust(_PREFIX, "9")) + 1)
    for length in lengths
}
"""Valid combinations of a card's length and its first four digits. Every number that could be a card is checked."""

_NO_DIGIT: Final = re.compile("[^0-9]+")
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")
"""Twice a digit, with the digits of the result added up."""

_IBAN_COUNTRIES: Final = {  # by length, after the ISO 13616 registry
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
_IBAN_LENGTHS: Final = {country: n for n, countries in _IBAN_COUNTRIES.items() for country in countries.split()}
_TW_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_NINO_NEVER: Final = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})
_RANDOM_BITS: Final = 4.3
"""Minimum bits for each character. Forty random base64 characters almost always have them. Words and paths do not."""


def digits_of(text: str) -> str:
    """Return the ASCII digits of a text."""
    return _NO_DIGIT.sub("", text)


def luhn(digits: str) -> bool:
    """Check the check digit of bank cards."""
    return sum(map(int, digits[::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def credit_card(text: str) -> bool:
    """Check Luhn's digit, and that the issuer uses the length."""
    digits = digits_of(text)
    return (len(digits), digits[:_PREFIX]) in _ISSUED and luhn(digits)


def iban(text: str) -> bool:
    """Check the country's length, and the remainder by 97."""
    compact = text.replace(" ", "").replace("-", "").upper()
    if not compact.isascii() or not compact.isalnum() or _IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(ch, 36)) for ch in compact[4:] + compact[:4])) % 97 == 1


def tw_national_id(text: str) -> bool:
    """Check a Taiwanese ID: citizens, and residents in the old form (two letters) and the new one."""
    value = text.upper()
    if len(value) != 10 or value[0] not in _TW_LETTERS:
        return False
    area = _TW_LETTERS.index(value[0]) + 10
    second = str((_TW_LETTERS.index(value[1]) + 10) % 10) if value[1].isalpha() else value[1]
    weighted = zip(second + value[2:], (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)
    return (area // 10 + area % 10 * 9 + sum(int(ch) * weight for ch, weight in weighted)) % 10 == 0


def cn_resident_id(text: str) -> bool:
    """Check a Chinese ID: ISO 7064 MOD 11-2 over 18 characters."""
    total = sum((10 if ch in "Xx" else int(ch)) * pow(2, 17 - i, 11) for i, ch in enumerate(text))
    return total % 11 == 1


def jp_my_number(text: str) -> bool:
    """Check the check digit of a Japanese individual number."""
    digits = digits_of(text)
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(int(ch) * weight for ch, weight in zip(digits, weights, strict=False)) % 11
    return len(digits) == 12 and int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def uk_nino(text: str) -> bool:
    """Check that the prefix of a United Kingdom number was issued."""
    return text[:2].upper() not in _NINO_NEVER


def phone_number(text: str) -> bool:
    """Check the number of digits of a phone number."""
    return 9 <= len(digits_of(text)) <= 15


def ipv6(text: str) -> bool:
    """Accept an address, but not a programming language's `::` between two short names or a slice such as `1::2`."""
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    groups = [group for group in text.split(":") if group]
    if len(groups) > 2 or text == "::1":
        return True
    slices = all(group.isdigit() and len(group) < 4 for group in groups)
    return not slices and any(ch.isdigit() for ch in text)


def random_key(text: str) -> bool:
    """Check for upper and lower case, digits, and randomness."""
    kinds = any(ch.isupper() for ch in text), any(ch.islower() for ch in text), any(ch.isdigit() for ch in text)
    shares = [count / len(text) for count in Counter(text).values()]
    return all(kinds) and -sum(share * math.log2(share) for share in shares) > _RANDOM_BITS
