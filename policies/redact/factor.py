"""One factor: the automaton of some rules, run as a lazily built DFA whose states separate threads by their start.

A state is an ordered tuple of groups, earliest start first, and the assertion bits of the previous character. A group
is the ordered tuple of the nodes under way from one start, in `re`'s order of preference. Three rules make a step
exact:

- An accept of a rule cuts that rule's less preferred nodes in its group: `re` would not have tried them.
- An accept discards all later groups: their starts lie inside the match (or inside an earlier one that swallows it).
- A node lives in its earliest group only: from there on both groups would do the same, and the earlier start wins. This
  does not apply to rules with a validator, which looks at the whole match. Such rules have a limited length.

An assertion about the next character stays in its group until that character (or the end) comes. An accept found then
ended before that character (`ended` 1, else 0). A state knows no positions: the scanner has them. The caller, who knows
the text, is asked if a validator agrees.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

from policies.redact.bounded_cache import Entries, Remembered
from policies.redact.dead_states import dead_states
from policies.redact.nfa import EDGE, NODES, TRIE_BITS, Kind, Look, Nfa

Group = tuple[int, ...]
Ask = Callable[[int, int, int], bool]
"""Asks if the validator of a rule accepts a match: (group or BORN, rule, ended)."""

TRIE_WORK: Final = 2
"""Cost in visited nodes of a step in a trie, besides the resulting node."""

MAX_STEPS: Final = 100_000
"""Maximum number of cached steps of all states and nodes, including those of single rules: about 25 MB."""

BORN: Final = -1
"""In a move's sources: the group that starts with the current character."""


@dataclass(slots=True, eq=False)
class FactorState:
    """A state. Equal states of one factor are one object while they are cached."""

    groups: tuple[Group, ...]
    before: int | None
    pending: bool
    moves: dict[int, "Move"]
    kept: dict[int, "FactorState"]

    def forget(self) -> None:
        """Drop the steps built so far."""
        self.moves.clear()
        self.kept.clear()


@dataclass(frozen=True, slots=True)
class Move:
    """A step: the next state, the source group of each of its groups, and the accepts (source group, rule, ended)."""

    state: FactorState
    sources: tuple[int, ...]
    accepts: tuple[tuple[int, int, int], ...]


class Factor:
    """The lazy DFA over one `Nfa`. `validated` are the rules with a validator."""

    def __init__(self, nfa: Nfa, *, normalize: bool, validated: frozenset[int] = frozenset()) -> None:
        self.nfa = nfa
        self.normalize = normalize
        self.validated = validated
        self._follows: dict[int, dict[int, Group]] = {}
        self._steps = Entries(MAX_STEPS)
        self._hopeless = dead_states(nfa)
        self._begin([(start, self._flat([start], None, None, through=True)) for start in nfa.starts])

    def _begin(self, firsts: list[tuple[int, Group]]) -> None:
        self.built = 0
        """Work done so far in visited nodes, the measure of a slice of text."""
        self._states = Remembered[tuple[tuple[Group, ...], int | None], FactorState]()
        self._born: dict[tuple[int | None, int], Group] = {}
        self._firsts = firsts
        self._taking: dict[tuple[Kind, Any], set[int]] = {}
        for place, (_, nodes) in enumerate(firsts):
            for node in nodes:
                kind, arg = self.nfa.kind[node], self.nfa.arg[node]
                for taken in (arg,) if kind is Kind.CHAR else arg.firsts:
                    self._taking.setdefault((kind, taken), set()).add(place)
        self._may_start: dict[int, list[int]] = {}
        self.initial = self.state((), None)

    def alone(self, rule: int) -> "Factor":
        """Make a factor over the same nodes in which only one of the rules starts."""
        made = copy(self)
        made._begin([(start, firsts) for start, firsts in self._firsts if self.nfa.rule[start] == rule])
        return made

    def step(self, state: FactorState, cls: int, ask: Ask) -> Move:
        """Return the move for a character of class `cls`, or for the text's end (EDGE)."""
        move = state.moves.get(cls)
        if move is not None:
            return move
        asked = False

        def asking(group: int, rule: int, ended: int) -> bool:
            nonlocal asked
            asked = True
            return ask(group, rule, ended)

        move = self._move(state, cls, asking)
        if not asked:
            state.moves[cls] = move
            self._steps.note(state.moves, cls)
        return move

    def keep(self, state: FactorState, count: int) -> FactorState:
        """Return the state without its groups from number `count` on."""
        kept = state.kept.get(count)
        if kept is None:
            kept = state.kept[count] = self.state(state.groups[:count], state.before)
        return kept

    def _move(self, state: FactorState, cls: int, ask: Ask) -> Move:
        accepts: list[tuple[int, int, int]] = []
        faint = cls != EDGE and self.nfa.classes[cls].faint
        groups = list(enumerate(state.groups))
        if state.pending and not faint:
            groups = self._look_ahead(groups, state.before, cls, ask, accepts)
        if cls == EDGE:
            return Move(self.initial, (), tuple(accepts))
        born = () if faint else self._births(state.before, cls)
        if born:
            groups.append((BORN, born))
        moved = self._advance(groups, cls, ask, accepts)
        before = state.before if faint else self.nfa.classes[cls].bits
        following = self.state(tuple(items for _, items in moved), before)
        return Move(following, tuple(source for source, _ in moved), tuple(accepts))

    def _look_ahead(
        self,
        groups: list[tuple[int, Group]],
        before: int | None,
        cls: int,
        ask: Ask,
        accepts: list[tuple[int, int, int]],
    ) -> list[tuple[int, Group]]:
        """Settle the assertions that waited for this character."""
        result = []
        kind = self.nfa.kind
        for source, items in groups:
            found = [m for n in items for m in (self._flat([n], before, cls) if kind[n & NODES] is Kind.LOOK else (n,))]
            kept, rules = self._prefer(found, set(), lambda rule, source=source: ask(source, rule, 1))  # type: ignore[misc]
            if kept:
                result.append((source, tuple(kept)))
            accepts.extend((source, rule, 1) for rule in rules)
            if rules:
                break
        return result

    def _advance(
        self, groups: list[tuple[int, Group]], cls: int, ask: Ask, accepts: list[tuple[int, int, int]]
    ) -> list[tuple[int, Group]]:
        """Take the character in each group."""
        result = []
        earlier: set[int] = set()
        follows = self._follows.setdefault(cls, {})
        for source, items in groups:
            found: list[int] = []
            for n in items:
                after = follows.get(n)
                if after is None:
                    after = follows[n] = self._follow(n, cls)
                    self._steps.note(follows, n)
                found.extend(after)
            kept, rules = self._prefer(found, earlier, lambda rule, source=source: ask(source, rule, 0))  # type: ignore[misc]
            if kept:
                result.append((source, tuple(kept)))
            accepts.extend((source, rule, 0) for rule in rules)
            if rules:
                break
            earlier.update(kept if not self.validated else self._unvalidated(kept))
        return result

    def _prefer(self, found: list[int], earlier: set[int], ask: Callable[[int], bool]) -> tuple[list[int], list[int]]:
        """Return the nodes that stay, in order, and the rules that accept."""
        self.built += len(found) + 1
        kind, rule_of = self.nfa.kind, self.nfa.rule
        seen: set[int] = set()
        kept: list[int] = []
        rules: list[int] = []
        for n in found:
            rule = rule_of[n & NODES]
            if n in seen or n in earlier or rule in rules:
                continue
            seen.add(n)
            if kind[n & NODES] is not Kind.ACCEPT:
                kept.append(n)
            elif rule not in self.validated or ask(rule):
                rules.append(rule)
        return kept, rules

    def _unvalidated(self, nodes: list[int]) -> list[int]:
        return [n for n in nodes if self.nfa.rule[n & NODES] not in self.validated]

    def _births(self, before: int | None, cls: int) -> Group:
        """Return the nodes from which a match may start with this character."""
        key = (before, cls)
        born = self._born.get(key)
        if born is None:
            starts = self._flat(self._candidates(cls), before, cls)
            self.built += 20 + 2 * len(starts)
            born = self._born[key] = tuple(n for n in starts if self._takes(n, cls))
        return born

    def _candidates(self, cls: int) -> list[int]:
        """Return the starts of the rules that could take this character first, apart from assertions."""
        found = self._may_start.get(cls)
        if found is None:
            of = self.nfa.classes[cls]
            taken = [(Kind.TRIE, of.letter), (Kind.TRIE_FOLD, of.folded), *((Kind.CHAR, test) for test in of.tests)]
            places: set[int] = set().union(*(self._taking.get(one, ()) for one in taken))
            found = self._may_start[cls] = [self._firsts[place][0] for place in sorted(places)]
            self.built += len(taken) + len(found)
        return found

    def _takes(self, node: int, cls: int) -> bool:
        """Return true if a match may start when this node takes a character."""
        of, kind = self.nfa.classes[cls], self.nfa.kind[node]
        if kind is Kind.CHAR:
            return self.nfa.arg[node] in of.tests
        return (of.folded if kind is Kind.TRIE_FOLD else of.letter) in self.nfa.arg[node].firsts

    def _follow(self, node: int, cls: int) -> Group:
        """Return the nodes that follow a node on a character, none if it does not take it.

        A node stays at a faint character that it does not take.
        """
        nfa, index = self.nfa, node & NODES
        of, kind = nfa.classes[cls], nfa.kind[index]
        if kind is Kind.CHAR and nfa.arg[index] in of.tests:
            return self._flat([nfa.next[index]], of.bits, None)
        if kind is Kind.TRIE or kind is Kind.TRIE_FOLD:
            self.built += TRIE_WORK
            step = nfa.arg[index].step(node >> TRIE_BITS, of.folded if kind is Kind.TRIE_FOLD else of.letter)
            if step is not None:
                onward = (step.node << TRIE_BITS | index,) if step.goes_on else ()
                return (*onward, *self._flat([nfa.next[index]], of.bits, None)) if step.ends else onward
        return (node,) if of.faint else ()

    def _flat(self, nodes: list[int], before: int | None, after: int | None, through: bool = False) -> Group:
        """Return the nodes reached without a character, in order of preference.

        `after` None means unknown, so that assertions about it stay. `through` passes all assertions, true or not.
        """
        nfa, out, seen = self.nfa, list[int](), set[int]()
        stack = list(reversed(nodes))
        while stack:
            n = stack.pop()
            if n in seen:
                continue
            seen.add(n)
            kind = nfa.kind[n]
            if kind is Kind.SPLIT:
                stack.extend(reversed(nfa.arg[n]))
            elif n in self._hopeless:
                continue
            elif through and kind is Kind.LOOK:
                stack.append(nfa.next[n])
            elif kind is not Kind.LOOK or (after is None and nfa.arg[n][0] > Look.BEHIND_NOT):
                out.append(n)
            elif nfa.holds(n, before, EDGE if after is None else after):
                stack.append(nfa.next[n])
        return tuple(out)

    def state(self, groups: tuple[Group, ...], before: int | None) -> FactorState:
        """Return the state of these groups after a character with these bits."""
        key = (groups, before)
        state = self._states.get(key)
        if state is None:
            kind = self.nfa.kind
            pending = any(kind[n & NODES] is Kind.LOOK for group in groups for n in group)
            state = self._states.remember(key, FactorState(groups, before, pending, {}, {}), sum(map(len, groups)))
        return state
