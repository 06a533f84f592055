"""One lane's way through a text: the automata's states, and registers with the positions that states do not know.

Rule: no text is emitted here, and none looked at but for validators. Slot i began at `starts[i]`; `bests[i]` is its
best match so far, (end, rule), or None. Finished matches wait in `found`. Positions count raw characters from the
start of the text.

Two ways, the same result. *Joined*: the product of all factors, which settles what factors do to each other.
*Apart*: products of few factors each, side by side (`tracks`), which have far fewer states. Factors touch each other
only when something matches, so the scan goes apart until a transition says more than where matches may have begun;
then the piece at hand is taken again, joined, and so on until no match is waiting any more.

A raw character that reads as several is stepped through one by one at one place: a match that ends within it ends
behind it, and then none starts within it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from policies.redact.automaton import Automaton, Paused, Question, Several, State
from policies.redact.characters import MARKS, normalized, reads
from policies.redact.effects import CLEARED, RESTARTED, STARTED, Effect
from policies.redact.factor import BORN
from policies.redact.remembered import SharedByStreams
from policies.redact.rules import Rule

Best = tuple[int, int] | None
Track = tuple[State, tuple[int, ...]]
PIECE: Final = 32
"""Characters after which a joined scan may go apart again."""


class Found(NamedTuple):
    """A finished match."""

    start: int
    end: int
    rule: int


class Claim(NamedTuple):
    """What text from `start` on is kept for: the rules under way from there, and the one that has a match."""

    start: int
    rules: set[int]
    best: int | None


class Lane(SharedByStreams):
    """The rules of one lane: `joined` over all their factors, `apart` over some each, in the same order. With `halts`,
    of a start's matches that complete together the one that ended first is meant, not the longest."""

    def __init__(self, apart: Sequence[Automaton], *, halts: bool = False) -> None:
        self.apart = tuple(apart)
        self.joined = apart[0] if len(apart) == 1 else Automaton([f for a in apart for f in a.factors])
        self.begin: tuple[Track, ...] = tuple((automaton.initial, ()) for automaton in apart)
        self.halts = halts
        for automaton in (self.joined, *self.apart):
            automaton.first_ends = halts

    def allow(self, work: float) -> None:
        """Bound the work until the next `Paused`."""
        for automaton in (self.joined, *self.apart):
            automaton.allowance = work

    @property
    def spent(self) -> bool:
        """Whether the work allowed is done."""
        return any(automaton.allowance <= 0 for automaton in (self.joined, *self.apart))


class Scanner:
    """`buffer` is the raw text from position `base` on, set by the owner before each scan. In a lane that `halts`, the
    first match that completes ends the scan: it is the only one in `found`, and `halted` is true."""

    __slots__ = (
        "_bests",
        "_starts",
        "_state",
        "_tracks",
        "base",
        "buffer",
        "found",
        "halted",
        "halts",
        "lane",
        "position",
        "rules",
    )

    def __init__(self, lane: Lane, rules: Sequence[Rule]) -> None:
        self.lane = lane
        self.rules: Final = rules
        self.position = 0
        self.found: list[Found] = []
        self.buffer = ""
        self.base = 0
        self.halts = lane.halts
        self.halted = False
        self._state = lane.joined.initial
        self._starts: list[int] = []
        self._bests: list[Best] = []
        self._tracks: Sequence[Track] | None = lane.begin

    def scan(self, chunk: str) -> int:
        """Go through the next characters; gives how many were taken: fewer than all when the work allowed for a slice
        is done, or when it halts."""
        begun, at, size = self.position, 0, PIECE
        while at < len(chunk) and size:
            piece = chunk[at : at + size]
            ahead = None if self._tracks is None else follow_all(self._tracks, piece, self.position)
            if ahead is not None:
                self.go(ahead, self.position + len(piece))
            elif self._tracks is not None and self.lane.spent:  # what is built already still leads some way
                size //= 2
                continue
            elif self._scan_joined(piece) < len(piece):
                break
            else:
                self._part()
            at += len(piece)
        return self.position - begun

    def finish(self) -> None:
        """Take the natural end of the text."""
        self._join()
        state, effect = self._state.end()
        self._state = self._settle(state, effect, self.position, edge=True)

    def held_from(self) -> int:
        """Where the oldest match under way started; the position when none is."""
        if self._tracks is None:
            return self._starts[0] if self._starts else self.position
        return min([starts[0] for _, starts in self._tracks if starts], default=self.position)

    def best(self) -> Best:
        """The best match so far of the oldest under way."""
        return self._bests[0] if self._tracks is None and self._bests else None

    def sure(self) -> Best:
        """The same, when it can only become a longer match of its rule."""
        best = self.best()
        return best if best is not None and self._state.rules(0) == {best[1]} else None

    def claims(self) -> Iterator[Claim]:
        """What text under way is kept for."""
        if self._tracks is None:
            for slot, start in enumerate(self._starts):
                best = self._bests[slot]
                yield Claim(start, self._state.rules(slot), best[1] if best is not None else None)
            return
        for state, starts in self._tracks:
            for slot, start in enumerate(starts):
                yield Claim(start, state.rules(slot), None)

    def go(self, tracks: Sequence[Track], position: int) -> None:
        """Go on from elsewhere, where nothing has matched."""
        self._tracks = tracks
        self.position = position

    def apart(self) -> Sequence[Track] | None:
        """The tracks, unless a match is not finished."""
        return self._tracks

    def _scan_joined(self, chunk: str) -> int:
        self._join()
        state, position = self._state, self.position
        try:
            for char in chunk:
                state, effect = state[char]
                position += 1
                if effect is not None:
                    state = self._settle(state, effect, position)
                    if self.halted:
                        break
        except Paused:
            pass
        taken = position - self.position
        self._state, self.position = state, position
        return taken

    def _join(self) -> None:
        """Go on joined, from where the tracks are."""
        if self._tracks is None:
            return
        begun = [[starts[s] for s in slots] for state, starts in self._tracks for slots in state.slots]
        self._starts = sorted({start for group in begun for start in group})
        self._bests = [None] * len(self._starts)
        number = {start: i for i, start in enumerate(self._starts)}
        self._state = self.lane.joined.state(
            tuple(part for state, _ in self._tracks for part in state.parts),
            tuple(tuple(number[start] for start in group) for group in begun),
            (False,) * len(self._starts),
        )
        self._tracks = None

    def _part(self) -> None:
        """Go on apart, if nothing has matched and the slots can be told apart by where they started."""
        starts = self._starts
        if self.halted or any(self._bests) or len(set(starts)) < len(starts):
            return
        tracks, first = [], 0
        for automaton in self.lane.apart:
            upto = first + len(automaton.factors)
            slots = self._state.slots[first:upto]
            used = sorted({s for group in slots for s in group})
            renumbered = tuple(tuple(used.index(s) for s in group) for group in slots)
            state = automaton.state(self._state.parts[first:upto], renumbered, (False,) * len(used))
            tracks.append((state, tuple(starts[s] for s in used)))
            first = upto
        self._tracks = tracks

    def _settle(self, state: State | None, effect: Any, position: int, edge: bool = False) -> State:
        """The next state, after any effect on the registers."""
        while state is None:
            if isinstance(effect, Several):
                return self._several(effect, position)
            state, effect = self._answer(effect, position, edge)
        if effect is not None:
            self._apply(effect, position, edge)
        return state

    def _answer(self, question: Question, position: int, edge: bool) -> tuple[State | None, Any]:
        start = position - 1 if question.slot == len(self._starts) else self._starts[question.slot]
        end = self._end(question.rule, question.ended, position, edge)
        rule = self.rules[question.rule]
        text = self.buffer[max(start - self.base, 0) : end - self.base]
        assert rule.validator is not None
        return question.answer(rule.validator(normalized(text) if rule.normalize else text))

    def _several(self, several: Several, position: int) -> State:
        state = several.state
        births = True
        for index in range(len(reads(several.char))):
            following, effect = state.within(several.char, index, births)
            while following is None:
                following, effect = self._answer(effect, position, edge=index > 0)
            if effect is not None:
                self._apply(effect, position, edge=index > 0)
                births = births and not any(best is not None and best[0] == position for best in self._bests)
                births = births and not any(found.end == position for found in self.found[-1:])
            state = following
        return state

    def _apply(self, effect: Effect, position: int, edge: bool) -> None:
        if effect is STARTED:
            self._starts.append(position - 1)
            self._bests.append(None)
            return
        starts: list[int] = []
        bests: list[Best] = []
        for source, accept in zip(effect.sources, effect.accepts, strict=True):
            starts.append(position - 1 if source == BORN else self._starts[source])
            best = None if source == BORN else self._bests[source]
            if accept is not None:
                rule, ended = accept
                end = self._end(rule, ended, position, edge)
                best = _better(best, (end, rule))
                if self.halts and (not self.halted or end < self.found[0].end):
                    self.halted = True
                    self.found = [Found(starts[-1], end, rule)]
            bests.append(best)
        if not self.halted:
            done = effect.done
            self.found.extend(Found(s, *b) for s, b in zip(starts[:done], bests[:done], strict=True) if b is not None)
            del starts[:done], bests[:done]
        self._starts, self._bests = starts, bests

    def _end(self, rule: int, ended: int, position: int, edge: bool) -> int:
        """Where a match ended. Invisible characters between it and what settled it are not its own. `edge`: what
        settled it takes no place, being the text's end or a further reading of the same character."""
        end = position if edge else position - ended
        if ended and self.rules[rule].normalize:
            while end > self.base and _invisible(self.buffer[end - 1 - self.base]):
                end -= 1
        return end


def follow_all(tracks: Sequence[Track], piece: str, begun: int) -> list[Track] | None:
    """Where all tracks lead; None when something matches in the piece or the allowed work is done."""
    ahead: list[Track] = []
    try:
        for state, starts in tracks:
            track = follow(state, starts, piece, begun)
            if track is None:
                return None
            ahead.append(track)
    except Paused:
        return None
    return ahead


def follow(state: State, starts: tuple[int, ...], piece: str, begun: int) -> Track | None:
    """Where a track leads, if nothing matches on the way."""
    for position, char in enumerate(piece, begun):
        state, effect = state[char]
        if effect is None:
            continue
        if effect is RESTARTED:
            starts = (position,)
        elif effect is CLEARED:
            starts = ()
        elif effect is STARTED:
            starts = (*starts, position)
        elif effect.skip >= 0:
            kept = starts[effect.skip :]
            starts = (*kept, position) if effect.sources[-1] == BORN else kept
        else:
            track = _follow_rest(state, effect, starts, position)
            if track is None:
                return None
            state, starts = track
    return state, starts


def _follow_rest(state: State | None, effect: Any, starts: tuple[int, ...], position: int) -> Track | None:
    """The rarer ways on: slots that go from between others, and a character that reads as several. That one is left to
    the joined way when a match starts with a later part of it: among tracks only places tell what started first."""
    if state is not None:
        return (state, _moved(effect, starts, position)) if effect.quiet else None
    if not isinstance(effect, Several):
        return None
    state, char = effect.state, effect.char
    for index in range(len(reads(char))):
        state, effect = state.within(char, index, True)
        if effect is None:
            continue
        born = effect is STARTED or BORN in getattr(effect, "sources", (BORN,))
        if (index and born) or not (effect.quiet or effect is STARTED):
            return None
        starts = (*starts, position) if effect is STARTED else _moved(effect, starts, position)
    return state, starts


def _moved(effect: Effect, starts: tuple[int, ...], position: int) -> tuple[int, ...]:
    return tuple([position if s == BORN else starts[s] for s in effect.sources])


def _better(known: Best, new: tuple[int, int]) -> tuple[int, int]:
    """The longer match, on a tie the earlier rule's."""
    if known is None or new[0] > known[0]:
        return new
    return known if known[0] > new[0] else (known[0], min(known[1], new[1]))


def _invisible(char: str) -> bool:
    return char >= "\x80" and char not in MARKS and not reads(char)
