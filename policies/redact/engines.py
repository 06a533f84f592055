"""The compiled rules of a chain: one `Redactor` for each channel of the answer, and one for the request.

All redact policies of a chain form one list of rules, in order, because two redactors in a row would rescan each
other's labels. Channels with the same rules share a redactor.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from policies.redact.pseudonyms import restoring
from policies.redact.redactor import Redactor
from policies.redact.rules import CHANNELS, Rule


class Engines:
    """The rules of policies, by ID."""

    def __init__(self, policies: Sequence[tuple[str, Sequence[Rule]]]) -> None:
        self.rules: Final = tuple(_named_apart(policies))
        self.owner: Final = dict(zip((r.name for r in self.rules), _owners(policies), strict=True))
        self._by_name: Final = {rule.name: rule for rule in self.rules}
        self._made: dict[tuple[str, ...], Redactor] = {}
        restore = tuple(restoring(rule) for rule in self.rules if rule.gives_placeholders)
        self.reversible: Final = bool(restore)
        self._by_name.update((rule.name, rule) for rule in restore)
        answer = self.rules + restore
        self.channels: Final = {channel: self._redactor(answer, _applies(channel, "response")) for channel in CHANNELS}
        self.request: Final = self._redactor(self.rules, lambda rule: "request" in rule.directions)

    def rule(self, name: str) -> Rule:
        """Return a rule by its name."""
        return self._by_name[name]

    def _redactor(self, rules: Sequence[Rule], applies: Callable[[Rule], bool]) -> Redactor | None:
        chosen = [rule for rule in rules if applies(rule)]
        names = tuple(rule.name for rule in chosen)
        if chosen and names not in self._made:
            self._made[names] = Redactor.of(chosen)
        return self._made.get(names)


def _applies(channel: str, direction: str) -> Callable[[Rule], bool]:
    return lambda rule: channel in rule.channels and direction in rule.directions


def _owners(policies: Sequence[tuple[str, Sequence[Rule]]]) -> list[str]:
    return [id for id, rules in policies for _ in rules]


def _named_apart(policies: Sequence[tuple[str, Sequence[Rule]]]) -> list[Rule]:
    """List all rules. A rule with the name of an earlier policy's rule also gets its policy's ID."""
    seen: set[str] = set()
    named = []
    for id, rules in policies:
        for rule in rules:
            name = rule.name if rule.name not in seen else f"{id}.{rule.name}"
            seen.add(name)
            named.append(replace(rule, name=name))
    return named
