"""Random rules and texts for the differential tests. Their alphabets are small, so that matches overlap often."""

import random
from collections.abc import Sequence

from tests.policies.redact.oracle import Spec

ALPHABET = "abc1 \n"
READING = {"ａ": "a", "ｂ": "b", "１": "1", "㏄": "cc", "⑪": "11", "\u200b": "", "\u00ad": ""}
_ATOMS = ("a", "b", "c", "1", ".", r"\d", r"\w", r"\s", "[ab]", "[^a]", "[a-c]", " ", r"\W", "[1b]", "(?i:A)")
_LOOKS = (r"\b", r"\B", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", r"\A", r"\Z", "(?m:^)", "(?m:$)", r"(?<!\w)", r"(?!\d)")
_REPEATS = ("*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "??", "{1,2}?")


def pattern(rng: random.Random, depth: int) -> str:
    """Generate a random pattern, which the engine may reject."""
    choice = rng.random()
    if depth == 0 or choice < 0.25:
        return rng.choice(_ATOMS)
    if choice < 0.5:
        return pattern(rng, depth - 1) + pattern(rng, depth - 1)
    if choice < 0.65:
        return f"(?:{pattern(rng, depth - 1)}|{pattern(rng, depth - 1)})"
    if choice < 0.88:
        return f"(?:{pattern(rng, depth - 1)}){rng.choice(_REPEATS)}"
    return rng.choice(_LOOKS) + pattern(rng, depth - 1)


def text(rng: random.Random, size: int, *, exotic: bool) -> str:
    """Generate a random text, sometimes with characters that read as others."""
    letters = ALPHABET + "".join(READING) if exotic else ALPHABET
    return "".join(rng.choice(letters) for _ in range(rng.randint(0, size)))


def rule(rng: random.Random, name: str) -> Spec:
    """A random rule of a regex or of words."""
    if rng.random() < 0.3:
        words = ["".join(rng.choice("abc1") for _ in range(rng.randint(1, 4))) for _ in range(rng.randint(1, 4))]
        return {
            "name": name,
            "words": words,
            "ignore_case": rng.random() < 0.5,
            "whole_word": rng.random() < 0.3,
        }
    return {"name": name, "regex": pattern(rng, rng.randint(1, 4))}


def cuts(rng: random.Random, whole: str) -> Sequence[str]:
    """Cut the text into random chunks, often of one character each."""
    if rng.random() < 0.4:
        return list(whole)
    chunks, at = [], 0
    while at < len(whole):
        size = rng.randint(0, 5)
        chunks.append(whole[at : at + size])
        at += size
    return chunks
