"""Assignment of a lane's rules to factors, and of factors to automata that run side by side.

A rule's effect on the number of states depends on how long it stays under way in ordinary text. Probes classify it:

- *long*: any run of letters keeps it under way (email, random keys). Two long rules that stop at the same characters
  run in step, so they share a factor. Others would multiply.
- *digits*: a run of digits keeps it under way.
- *short* and *words*: the state depends on the last few characters only.

Long and digits share one automaton. Short and words have one each. The first knows the length of the word, the others
different facts about its end. A product of them would have a state for each word of the language.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from policies.redact.automaton import Automaton
from policies.redact.factor import Factor, FactorState
from policies.redact.nfa import EDGE, Nfa
from policies.redact.rules import Rule

MAX_LONG: Final = 4
"""Maximum number of factors for the long rules. Further kinds of them share the last one."""
_PUNCTUATION: Final = " ._-/+'%=:@!,"
Kind = tuple[bool, str, str]
"""True if it normalizes, the class that keeps it under way, and the characters at which a long one continues."""


def share_out(lane: Sequence[int], rules: Sequence[Rule], fill: Callable[[Nfa, int], None]) -> list[Automaton]:
    """Make the automata of a lane: long and digits, short, words. `fill` adds a rule's nodes to an automaton."""
    members: dict[Kind, list[int]] = {}
    for index in lane:
        members.setdefault(_capped(_kind(rules[index], index, fill), members), []).append(index)
    tracks = (
        [_factor(ids, rules, fill) for kind, ids in members.items() if kind[1] in kinds]
        for kinds in (("long", "digits"), ("short",), ("words",))
    )
    return [Automaton(factors) for factors in tracks if factors]


def _factor(ids: Sequence[int], rules: Sequence[Rule], fill: Callable[[Nfa, int], None]) -> Factor:
    nfa = Nfa()
    for index in ids:
        fill(nfa, index)
    validated = frozenset(i for i in ids if rules[i].validator is not None)
    return Factor(nfa, normalize=rules[ids[0]].normalize, validated=validated)


def _capped(kind: Kind, known: Mapping[Kind, object]) -> Kind:
    if kind[1] != "long" or kind in known:
        return kind
    same = [k for k in known if k[:2] == kind[:2]]
    return kind if len(same) < MAX_LONG else same[-1]


def _kind(rule: Rule, index: int, fill: Callable[[Nfa, int], None]) -> Kind:
    if rule.pattern is None:
        return rule.normalize, "words", ""
    nfa = Nfa()
    fill(nfa, index)
    probe = _Probe(Factor(nfa, normalize=False))
    letters = "abcdefghijklm"
    if probe.under_way(letters):
        return rule.normalize, "long", "".join(ch for ch in _PUNCTUATION if probe.under_way(letters + ch))
    return rule.normalize, "digits" if probe.under_way("12345") or probe.under_way("412") else "short", ""


class _Probe:
    def __init__(self, factor: Factor) -> None:
        self.factor = factor

    def under_way(self, text: str) -> bool:
        """Return true if a match that starts with the text's first character is still under way after the text."""
        state: FactorState = self.factor.initial
        for place, char in enumerate(text):
            cls = self.factor.nfa.classify(char)
            move = self.factor.step(state, EDGE if cls is None else cls, lambda *_: False)
            if not move.sources or (place == 0) != (move.sources[0] == -1):
                return False
            state = self.factor.keep(move.state, 1)
        return True
