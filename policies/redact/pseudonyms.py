"""Stable placeholders for the values of one request, and their restoration.

They are made for a request and dropped with it. The same value of the same rule gets the same placeholder. A
placeholder that is already in the request is never assigned. An ordinary rule of the engine (see `restoring`) restores
them in the answer, so a placeholder that the provider cuts in two or writes in other letters is restored too.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from policies.redact.characters import normalized
from policies.redact.rules import Rule
from policies.steps import Steps

MAX: Final = 9_999
MAX_AT_ONCE: Final = 16_384
"""Number of characters, or values, that are searched in one step."""
_PLACEHOLDER: Final = re.compile(r"\[[a-z0-9-]+-[0-9]{1,4}\]")


def restoring(rule: Rule) -> Rule:
    """Return the rule that finds a pseudonymize rule's placeholders in an answer.

    A placeholder is not secret, so one that is spelled with too many invisible characters is released.
    """
    tag = _tag(rule.name)
    return Rule(
        name=f"{rule.name}.restore",
        pattern=rf"(?i:\[{re.escape(tag)}-[0-9]{{1,4}}\])",
        action="restore",
        normalize=rule.normalize,
        trusted=True,
        channels=rule.channels,
        directions=frozenset({"response"}),
        max_hold=max(rule.max_hold, len(tag) + len("[-9999]")),
        opens=True,
    )


class Pseudonyms:
    """The placeholders of one request. Those in `taken` are not available."""

    def __init__(self, taken: Collection[str] = frozenset()) -> None:
        self._taken = taken
        self._labels: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def label(self, rule: Rule, text: str) -> str:
        """Return the placeholder of a value, or the value of a placeholder.

        Spellings that read the same share a placeholder. The first of them is restored.
        """
        read = normalized(text) if rule.normalize else text
        if rule.action == "restore":
            return self._values.get(read.casefold(), text)
        known = self._labels.get((rule.name, read))
        if known is None:
            known = self._new(_tag(rule.name), text)
            self._labels[rule.name, read] = known
        return known

    def _new(self, tag: str, text: str) -> str:
        for number in range(self._numbers.get(tag, 0) + 1, MAX + 1):
            label = f"[{tag}-{number}]"
            self._numbers[tag] = number
            if label.casefold() not in self._taken:
                self._values[label.casefold()] = text
                return label
        return f"[{tag}]"  # more values than placeholders: redacted without restoration


def placeholders_in(body: Mapping[str, Any], rules: Sequence[Rule]) -> Steps[set[str]]:
    """Find the placeholders in the texts of a request's body that a rule could assign, in steps."""
    longest = max((len(_tag(rule.name)) for rule in rules), default=0) + len("[-9999]")
    found: set[str] = set()
    waiting: list[Any] = [body]
    looked = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            for at in range(0, len(value), MAX_AT_ONCE):
                window = value[at : at + MAX_AT_ONCE + longest]
                found.update(_PLACEHOLDER.findall(window.casefold()))
                looked += len(window)
                if looked >= MAX_AT_ONCE:
                    looked = 0
                    yield
        elif isinstance(value, Mapping):
            waiting += [*value.values(), *value]
        elif isinstance(value, list | tuple):
            waiting += value
        looked += 1
        if looked >= MAX_AT_ONCE:
            looked = 0
            yield
    return found


def _tag(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "-", name.upper()).strip("-") or "VALUE"
