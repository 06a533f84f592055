"""Normalization of characters: how a rule that normalizes reads a raw character.

It works on each character separately. A cut between two characters changes nothing, and no text is held to decide how a
character reads. `reads(ch)` returns:

- "" for a character that is invisible or only decorates its neighbour: zero-width characters, soft hyphen, variation
  selectors, tags, and the general combining marks. The engine skips it, except in a rule that spells the mark out.
- "-" for the hyphens that models like to write in numbers: U+2010 to U+2013 and the minus sign.
- its NFKC form otherwise: full-width characters become ASCII, and ligatures their letters (several characters at one
  raw position).

The rule's side handles combining sequences: where a rule contains `é`, the engine also accepts `e` followed by the mark
(see `decomposed`). Limitations: character classes (`[à-ü]`) do not accept the two-character spelling. Lookalike letters
of another script (Cyrillic `а`) read as themselves.

`fold` is the case folding of `re.IGNORECASE`, character by character, so that word lists agree with `re`.
"""

import _sre  # type: ignore[import-not-found]
import unicodedata
from functools import lru_cache
from re import _casefix  # type: ignore[attr-defined]

MARKS: frozenset[str] = frozenset(
    chr(c)
    for low, high in (
        (0x0300, 0x036F),  # combining diacritical marks
        (0x0483, 0x0489),  # Cyrillic
        (0x1AB0, 0x1AFF),
        (0x1DC0, 0x1DFF),
        (0x20D0, 0x20FF),  # for symbols: strokes and circles laid over letters
        (0x3099, 0x309A),  # Japanese voiced sound marks
        (0xFE20, 0xFE2F),
    )
    for c in range(low, high + 1)
)

_HYPHENS: frozenset[str] = frozenset("\u2010\u2011\u2012\u2013\u2212")
_INVISIBLE: frozenset[str] = MARKS | frozenset(
    chr(c)
    for low, high in (
        (0x00AD, 0x00AD),  # soft hyphen
        (0x034F, 0x034F),
        (0x061C, 0x061C),
        (0x115F, 0x1160),  # Hangul fillers
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x200B, 0x200F),  # zero-width spaces and joiners, direction marks
        (0x202A, 0x202E),
        (0x2060, 0x206F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),  # variation selectors
        (0xFEFF, 0xFEFF),
        (0xFFA0, 0xFFA0),
        (0xFFF9, 0xFFFB),
        (0xE0000, 0xE0FFF),  # tags, further variation selectors
    )
    for c in range(low, high + 1)
)


@lru_cache(maxsize=65_536)
def reads(ch: str) -> str:
    """Return the characters that a normalizing rule sees for the raw character `ch`, or "" for none."""
    if ch < "\x80":
        return ch
    if ch in _INVISIBLE:
        return ""
    if ch in _HYPHENS:
        return "-"
    return "".join(c for c in unicodedata.normalize("NFKC", ch) if c not in _INVISIBLE)


@lru_cache(maxsize=4_096)
def mark(ch: str) -> str:
    """Return the combining mark that a raw character is (half-width ones as full-width), or ""."""
    wide = unicodedata.normalize("NFKC", ch)
    return wide if wide in MARKS else ""


@lru_cache(maxsize=65_536)
def decomposed(ch: str) -> tuple[str, str] | None:
    """Return base and mark of a composed letter whose mark alone reads as ""."""
    parts = unicodedata.normalize("NFD", ch)
    if len(parts) == 1 or parts[-1] not in MARKS:
        return None
    base = unicodedata.normalize("NFC", parts[:-1])
    return (base, parts[-1]) if len(base) == 1 else None


def normalized(text: str) -> str:
    """Return the text as a normalizing rule sees it."""
    return text if text.isascii() else "".join(map(reads, text))


@lru_cache(maxsize=65_536)
def fold(ch: str) -> str:
    """Return the same character for all that `re.IGNORECASE` treats as equal."""
    low = _sre.unicode_tolower(ord(ch))
    return chr(min((low, *_casefix._EXTRA_CASES.get(low, ()))))
