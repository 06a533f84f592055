"""Names that people type: what a model's name may hold, and which known names are close to a mistyped one.

Rule: a model's name can end up in a provider's URL path, so what would change a path's meaning is refused here, for the
configuration and for requests alike.
"""

import difflib
from collections.abc import Iterable

MAX_NAME = 256
"""Characters of a model's name."""

_MAX_COMPARED = 1000
_PATH_SIGNS = frozenset("?#%\\ ")


def model_name_fault(name: str) -> str | None:
    """What is wrong with a model's name, as the end of a sentence that begins with it; None if nothing is."""
    if not name:
        return "is empty"
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if not name.isprintable() or not _PATH_SIGNS.isdisjoint(name):
        return "holds a space, an unprintable character, or one of ? # % \\"
    if any(segment in ("", ".", "..") for segment in name.split("/")):
        return "holds an empty, '.' or '..' path segment"
    return None


def close_to(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Up to `most` of the `known` words that look like `word`, closest first."""
    by_folded: dict[str, str] = {}
    for name, _ in zip(known, range(_MAX_COMPARED), strict=False):
        by_folded.setdefault(name[:MAX_NAME].lower(), name)
    found = difflib.get_close_matches(word[:MAX_NAME].lower(), by_folded, n=most)
    return [by_folded[folded] for folded in found]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `word`: a close name, or all there are if they are few."""
    names = list(known)
    close = close_to(word, names, most=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not names:
        return ": none is known yet"
    listed = ", ".join(repr(name) for name in names[:12])
    return f"; known: {listed}{', …' if len(names) > 12 else ''}"
