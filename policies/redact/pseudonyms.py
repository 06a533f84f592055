"""Stable placeholders for the values of one request, and the way back.

Rule: made for a request, forgotten with it. The same value of the same rule gets the same placeholder. A placeholder
that the request itself holds already is never given out. What restores them in the answer is an ordinary rule of the
engine (see `restoring`), so one that the provider cuts in two or writes in other letters comes back too.
"""

import re
from typing import Final

from policies.redact.rules import Rule

MOST: Final = 9_999


def restoring(rule: Rule) -> Rule:
    """The rule that finds a pseudonymize rule's placeholders in an answer."""
    pattern = rf"(?i:\[{re.escape(_tag(rule.name))}-[0-9]{{1,4}}\])"
    return Rule(
        name=f"{rule.name}.restore",
        pattern=pattern,
        action="restore",
        normalize=rule.normalize,
        trusted=True,
        channels=rule.channels,
        directions=frozenset({"response"}),
    )


class Pseudonyms:
    """The placeholders of one request. `taken` is text whose placeholders, if any, are not ours to give."""

    def __init__(self, taken: str = "") -> None:
        self._taken = taken.casefold()
        self._labels: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}

    def label(self, rule: Rule, text: str) -> str:
        """What stands for a value, or for a placeholder."""
        if rule.action == "restore":
            return self._values.get(text.casefold(), text)
        known = self._labels.get((rule.name, text))
        return known if known is not None else self._new(rule, text)

    def _new(self, rule: Rule, text: str) -> str:
        for number in range(1, MOST + 1):
            label = f"[{_tag(rule.name)}-{number}]"
            if label.casefold() not in self._values and label.casefold() not in self._taken:
                self._labels[rule.name, text] = label
                self._values[label.casefold()] = text
                return label
        return f"[{_tag(rule.name)}]"  # more values than placeholders: redacted for good


def _tag(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "-", name.upper()).strip("-") or "VALUE"
