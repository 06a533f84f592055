"""A chain's rules compiled: one `Redactor` for each channel of the answer, one for the request.

Rule: all redact policies of a chain make one list of rules, in order, because two redactors in a row would rescan each
other's labels. Channels to which the same rules apply share a redactor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from policies.redact.pseudonyms import restoring
from policies.redact.redactor import Redactor
from policies.redact.rules import CHANNELS, Rule


@dataclass(frozen=True, slots=True)
class Settings:
    """What one policy brings."""

    rules: tuple[Rule, ...]
    max_hold: int
    on_overflow: Literal["closed", "open"]


class Engines:
    """The rules of policies, by id. Of several bounds the tightest holds, and `closed` before `open`."""

    def __init__(self, policies: Sequence[tuple[str, Settings]]) -> None:
        self.rules: Final = tuple(_named_apart(policies))
        self.owner: Final = dict(zip((r.name for r in self.rules), _owners(policies), strict=True))
        self._by_name: Final = {rule.name: rule for rule in self.rules}
        self._max_hold = min(settings.max_hold for _, settings in policies)
        opens = all(settings.on_overflow == "open" for _, settings in policies)
        self._on_overflow: Literal["closed", "open"] = "open" if opens else "closed"
        self._made: dict[tuple[str, ...], Redactor] = {}
        restore = tuple(restoring(rule) for rule in self.rules if rule.action == "pseudonymize")
        self.reversible: Final = bool(restore)
        self._by_name.update((rule.name, rule) for rule in restore)
        answer = self.rules + restore
        self.channels: Final = {channel: self._redactor(answer, _applies(channel, "response")) for channel in CHANNELS}
        self.request: Final = self._redactor(self.rules, lambda rule: "request" in rule.directions)

    def rule(self, name: str) -> Rule:
        """A rule by its name."""
        return self._by_name[name]

    def _redactor(self, rules: Sequence[Rule], applies: Callable[[Rule], bool]) -> Redactor | None:
        chosen = [rule for rule in rules if applies(rule)]
        names = tuple(rule.name for rule in chosen)
        if chosen and names not in self._made:
            self._made[names] = Redactor.of(chosen, max_hold=self._max_hold, on_overflow=self._on_overflow)
        return self._made.get(names)


def _applies(channel: str, direction: str) -> Callable[[Rule], bool]:
    return lambda rule: channel in rule.channels and direction in rule.directions


def _owners(policies: Sequence[tuple[str, Settings]]) -> list[str]:
    return [id for id, settings in policies for _ in settings.rules]


def _named_apart(policies: Sequence[tuple[str, Settings]]) -> list[Rule]:
    """All rules; those named as an earlier policy's bear their policy's id too."""
    seen: set[str] = set()
    rules = []
    for id, settings in policies:
        for rule in settings.rules:
            name = rule.name if rule.name not in seen else f"{id}.{rule.name}"
            seen.add(name)
            rules.append(replace(rule, name=name))
    return rules
