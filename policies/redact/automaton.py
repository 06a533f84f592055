"""A lane's automaton: the lazily built product of its factors. A known transition is one dictionary look-up.

An email rule is under way in every word, a card rule in every number, a word list somewhere in every sentence. In a
single DFA their combinations would all be different states, each expensive to build. Each kind of rule is therefore a
factor with a small DFA of its own. A state here only tells the states of the factors and how their groups interleave. A
*slot* is a start position at which some factor has a group. There are never more slots than the factors have nodes. The
scanner remembers matches that wait for an earlier slot without being under way themselves.

This module settles, by slot, what the factors cannot know of each other:

- An accept that ended before the current character discards the later groups of all factors *before* they take it. (A
  group born with it must not lose nodes to a group that is discarded.)
- An accept that ends with the current character discards all later groups, including one born with it.

A transition is `(state, effect)`. The effect tells the scanner's registers what moved, None for nothing. If a validator
must be asked, the state is None and the effect is a `Question`, which remembers the transition for each answer. For a
character that reads as several, the effect is `Several`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Any, ClassVar, Final

from policies.redact.bounded_cache import Entries, Remembered, SharedByStreams
from policies.redact.characters import reads
from policies.redact.effects import Effect, quiet_effect
from policies.redact.factor import BORN, Factor, FactorState, Move
from policies.redact.nfa import EDGE, NODES

STEP_WORK: Final = 15
"""Cost in nodes of building a transition, besides the nodes that it visits."""
CLASS_WORK: Final = 40
"""Cost in nodes of classifying a new character."""
MAX_TRANSITIONS: Final = 100_000
"""Maximum number of cached transitions of all states, about 25 MB. English, code and Chinese together need a fourth."""


class Paused(Exception):
    """The work allowed for one slice of text is done. It is raised before a transition is built, so nothing is lost."""


class _Unanswered(Exception):
    def __init__(self, slot: int, rule: int, ended: int) -> None:
        self.place = (slot, rule, ended)


Classes = tuple[int | None, ...]
Transition = tuple[Any, Any]
Slots = tuple[tuple[int, ...], ...]
"""The slots of each factor's groups."""
Built = tuple[tuple[FactorState, ...], Slots, "Effect | None"]
"""A transition's next state, as its two parts, and its effect."""


@dataclass(slots=True, eq=False)
class Question:
    """The question if `rule`'s validator accepts the match of `slot` that ended `ended` characters ago.

    `branches` are the transitions after yes and no, built on first use.
    """

    state: "State"
    classes: Classes
    within: bool
    births: bool
    answers: tuple[bool, ...]
    slot: int
    rule: int
    ended: int
    branches: dict[bool, Transition]
    quiet: ClassVar[bool] = False
    skip: ClassVar[int] = -1

    def answer(self, yes: bool) -> Transition:
        """Return the transition after an answer. It may be another question."""
        known = self.branches.get(yes)
        if known is None:
            answers = (*self.answers, yes)
            step = self.state.automaton.step
            known = self.branches[yes] = step(self.state, self.classes, answers, self.within, self.births)
        return known


@dataclass(slots=True, eq=False)
class Several:
    """The effect that replaces a transition for a raw character that reads as several."""

    state: "State"
    char: str
    quiet: ClassVar[bool] = False
    skip: ClassVar[int] = -1


class State(SharedByStreams, dict[str, Transition]):
    """A state: its transitions by raw character, built on demand. `count` is the number of slots."""

    __slots__ = ("_rules", "_upto", "automaton", "by_class", "count", "parts", "slots")
    __hash__ = object.__hash__  # type: ignore[assignment]  # states compare by identity
    __eq__ = object.__eq__

    def __init__(self, automaton: "Automaton", parts: tuple[FactorState, ...], slots: Slots) -> None:
        self.automaton = automaton
        self.parts = parts
        self.slots = slots
        self.count = 1 + max([own[-1] for own in slots if own], default=-1)
        self.by_class: dict[Any, Transition] = {}
        self._rules: tuple[frozenset[int], ...] | None = None
        self._upto: tuple[frozenset[int], ...] | None = None

    def __missing__(self, char: str) -> Transition:
        automaton = self.automaton
        if automaton.allowance <= 0:
            raise Paused
        classes = automaton.classify(char)
        transition = (None, Several(self, char)) if classes is None else self.on(classes)
        self[char] = transition
        automaton.transitions.note(self, char)
        return transition

    def on(self, classes: Classes) -> Transition:
        """Return the transition for a character of these classes, one for each factor."""
        known = self.by_class.get(classes)
        if known is None:
            known = self.by_class[classes] = self.automaton.step(self, classes, ())
            self.automaton.transitions.note(self.by_class, classes)
        return known

    def within(self, char: str, index: int, births: bool) -> Transition:
        """Return the transition for one of the characters that the raw `char` reads as."""
        key = (char, index, births)
        known = self.by_class.get(key)
        if known is None:
            classes = self.automaton.classify_part(char, index)
            known = self.by_class[key] = self.automaton.step(self, classes, (), index > 0, births)
            self.automaton.transitions.note(self.by_class, key)
        return known

    @property
    def rules(self) -> tuple[frozenset[int], ...]:
        """The rules under way in each slot."""
        if self._rules is None:
            found: list[set[int]] = [set() for _ in range(self.count)]
            for factor, part, slots in zip(self.automaton.factors, self.parts, self.slots, strict=True):
                for slot, group in zip(slots, part.groups, strict=True):
                    found[slot].update([factor.nfa.rule[n & NODES] for n in group])
            self._rules = tuple(map(frozenset, found))
        return self._rules

    def under_way(self, count: int) -> frozenset[int]:
        """Return the rules under way in the first `count` slots."""
        if self._upto is None:
            self._upto = tuple(accumulate(self.rules, frozenset.union, initial=frozenset()))
        return self._upto[count]

    def end(self) -> Transition:
        """Return the transition at the text's natural end."""
        return self.on(self.automaton.edge)

    def forget(self) -> None:
        """Drop the transitions built so far."""
        self.clear()
        self.by_class.clear()
        self._rules = self._upto = None


class Automaton:
    """The product of `factors`.

    `allowance` is the work left for the current slice. `transitions` limits the cached ones, and several automata may
    share it.
    """

    def __init__(self, factors: Sequence[Factor], transitions: Entries | None = None) -> None:
        self.factors = tuple(factors)
        self.edge: Classes = (EDGE,) * len(self.factors)
        self.allowance: float = float("inf")
        self.first_ends = False
        self._visited = 0
        self._classes: dict[str, Classes | None] = {}
        self._states = Remembered[object, State]()
        self.transitions: Final = Entries(MAX_TRANSITIONS) if transitions is None else transitions
        self.initial = State(self, tuple(f.initial for f in factors), ((),) * len(self.factors))

    def __len__(self) -> int:
        return len(self._states)

    def classify(self, char: str) -> Classes | None:
        """Return a class for each factor (None: the factor skips the character).

        Returns None if normalization turns the character into several.
        """
        try:
            return self._classes[char]
        except KeyError:
            pass
        read = reads(char)
        several = len(read) > 1 and any(f.normalize for f in self.factors)
        classes = None if several else tuple(_classify(f, char, read) for f in self.factors)
        if len(self._classes) >= 65_536:
            self._classes.clear()
        self._classes[char] = classes
        self.allowance -= CLASS_WORK
        return classes

    def classify_part(self, char: str, index: int) -> Classes:
        """Classify one of several characters. A factor that does not normalize takes the raw character once."""
        part = reads(char)[index]
        return tuple(
            f.nfa.classify(part) if f.normalize else (None if index else f.nfa.classify(char)) for f in self.factors
        )

    def step(
        self, state: State, classes: Classes, answers: tuple[bool, ...], within: bool = False, births: bool = True
    ) -> Transition:
        """Build one transition with the validators' answers so far.

        `within` means that this is not the first of the characters that a raw one reads as. Without `births`, no match
        starts.
        """
        if len(self.factors) == 1 and births and not answers:
            plain = self._plain(state, classes[0])
            if plain is not None:
                return plain
        step = _Step(self.factors, state, classes, iter(answers), births)
        step.within = within
        try:
            parts, slots, effect = step.result()
        except _Unanswered as question:
            return None, Question(state, classes, within, births, answers, *question.place, {})
        finally:
            self._charge(state)
        return self.state(parts, slots), effect

    def _plain(self, state: State, cls: int | None) -> Transition | None:
        """Build the transition in the simple case: one factor, in which nothing matches."""
        if cls is None or cls == EDGE:
            return None
        try:
            move = self.factors[0].step(state.parts[0], cls, _unasked)
        except _Unanswered:
            return None
        finally:
            self._charge(state)
        if move.accepts:
            return None
        following = self.state((move.state,), (tuple(range(len(move.sources))),))
        return following, quiet_effect(move.sources, state.count)

    def _charge(self, state: State) -> None:
        """Subtract the work just done from the slice's allowance."""
        visited = sum([f.built for f in self.factors])
        self.allowance -= STEP_WORK + state.count + visited - self._visited
        self._visited = visited

    def state(self, parts: tuple[FactorState, ...], slots: Slots) -> State:
        """Return the state in which the factors are in `parts`, with their groups in `slots`."""
        key: object = parts[0] if len(parts) == 1 else (parts, slots)
        state = self._states.get(key)
        return self._states.remember(key, State(self, parts, slots)) if state is None else state


def _classify(factor: Factor, char: str, read: str) -> int | None:
    if not factor.normalize:
        return factor.nfa.classify(char)
    return factor.nfa.classify(read) if read else factor.nfa.classify(char, faint=True)


class _Step:
    """The construction of one transition."""

    def __init__(self, factors: Sequence[Factor], state: State, classes: Classes, answers: Any, births: bool) -> None:
        self.factors = factors
        self.state = state
        self.classes = classes
        self.answers = answers
        self.births = births
        self.within = False
        self.count = state.count

    def result(self) -> Built:
        moves = [self._move(i, None) for i in range(len(self.factors))]
        if not any([move.accepts for move in moves]):
            return self._transition([(move.state, self._slots(i, move)) for i, move in enumerate(moves)])
        if self.state.automaton.first_ends:  # the scan ends here: an earlier match may lie within another
            every = [(move.state, self._slots(i, move)) for i, move in enumerate(moves)]
            return self._transition(every, self._accepts(moves), self.count)
        looked = self._first_accept(moves, 1)
        if looked is not None and self.within:  # it ends after the raw character, so none starts within
            self.births = False
            moves = [self._move(i, looked) for i in range(len(self.factors))]
        elif looked is not None:
            for i, slots in enumerate(self.state.slots):
                if slots and slots[-1] > looked:
                    moves[i] = self._move(i, looked)
        closed = self._first_accept(moves, 0)
        last = self.count if closed is None else closed
        upto = last if looked is None else min(looked, last)
        accepts = {s: accept for s, accept in self._accepts(moves).items() if s <= upto or s == last == self.count}
        return self._transition([self._kept(i, move, last) for i, move in enumerate(moves)], accepts, upto)

    def _transition(
        self,
        kept: Sequence[tuple[FactorState, tuple[int, ...]]],
        accepts: Mapping[int, tuple[int, int]] = MappingProxyType({}),
        upto: int = 0,
    ) -> Built:
        """Build the transition from each factor's next state and the old slots of its groups."""
        survivors = sorted({slot for _, slots in kept for slot in slots})
        number = {slot: i for i, slot in enumerate(survivors)}
        sources = tuple([self._source(slot) for slot in survivors])
        told = tuple((self._source(slot), rule, ended) for slot, (ended, rule) in sorted(accepts.items()))
        effect = Effect(sources, told, upto) if told else quiet_effect(sources, self.count)
        return (
            tuple(part for part, _ in kept),
            tuple(tuple(number[s] for s in slots) for _, slots in kept),
            effect,
        )

    def _source(self, slot: int) -> int:
        return BORN if slot == self.count else slot

    def _slots(self, index: int, move: Move) -> tuple[int, ...]:
        """Return the old slots of a move's groups."""
        old, born = self.state.slots[index], self.count
        return tuple([born if group == BORN else old[group] for group in move.sources])

    def _slot(self, index: int, group: int) -> int:
        return self.count if group == BORN else self.state.slots[index][group]

    def _move(self, index: int, upto: int | None) -> Move:
        """Compute a factor's move. With `upto`, only its groups up to that slot move."""
        factor, part, cls = self.factors[index], self.state.parts[index], self.classes[index]
        if upto is None and self.births and cls is not None:
            known = part.moves.get(cls)
            if known is not None:
                return known
        if upto is not None:
            part = factor.keep(part, sum(s <= upto for s in self.state.slots[index]))
        if cls is None:
            return Move(part, tuple(range(len(part.groups))), ())
        move = factor.step(part, cls, lambda group, rule, ended: self._ask(self._slot(index, group), rule, ended))
        if not self.births and BORN in move.sources:
            move = Move(factor.keep(move.state, len(move.sources) - 1), move.sources[:-1], move.accepts)
        if not self.births and any(group == BORN for group, _, _ in move.accepts):
            move = Move(move.state, move.sources, tuple(a for a in move.accepts if a[0] != BORN))
        return move

    def _ask(self, slot: int, rule: int, ended: int) -> bool:
        for answer in self.answers:
            return bool(answer)
        raise _Unanswered(slot, rule, ended)

    def _first_accept(self, moves: Sequence[Move], ended: int) -> int | None:
        found = [self._slot(i, g) for i, move in enumerate(moves) for g, _, e in move.accepts if e == ended]
        return min(found, default=None)

    def _kept(self, index: int, move: Move, last: int) -> tuple[FactorState, tuple[int, ...]]:
        """Return a factor's next state without its groups after slot `last`, and the old slots of the groups."""
        slots = self._slots(index, move)
        count = sum(s <= last for s in slots)
        if count == len(slots):
            return move.state, slots
        return self.factors[index].keep(move.state, count), slots[:count]

    def _accepts(self, moves: Sequence[Move]) -> dict[int, tuple[int, int]]:
        """Return each slot's new match, (ended, rule): the longest one, and the earlier rule if equal."""
        best: dict[int, tuple[int, int]] = {}
        for i, move in enumerate(moves):
            for group, rule, ended in move.accepts:
                slot = self._slot(i, group)
                best[slot] = min(best.get(slot, (ended, rule)), (ended, rule), key=self._rank)
        return best

    def _rank(self, accept: tuple[int, int]) -> tuple[int, int]:
        ended, rule = accept
        return (-ended if self.state.automaton.first_ends else ended), rule


def _unasked(group: int, rule: int, ended: int) -> bool:
    raise _Unanswered(group, rule, ended)
