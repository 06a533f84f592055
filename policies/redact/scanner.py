"""One lane's scan of a text: the automata's states, and registers with the positions that states do not know.

It emits no text, and reads text only for validators. Slot i began at `starts[i]`. `bests[i]` is its best match so far,
(end, rule), or None. A match may be final except for matches that began before it. It then waits in `behind[i]`, for
the slot i. It stands if that slot dies without a match. It falls with the slot's next match, which swallows it. All
other matches are in `found`. Positions count raw characters from the start of the text.

There are two ways to scan, with the same result. *Joined* uses the product of all factors, which settles their
interaction. *Apart* uses products of few factors each, side by side (`tracks`), with far fewer states. Factors interact
only when something matches. The scan therefore goes apart until a transition says more than where matches may have
begun. Then the current piece is scanned again, joined, until no match is waiting.

A raw character that reads as several is stepped through one by one at one position. A match that ends within it ends
after it, and none starts within it then.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from policies.redact.automaton import Paused, Question, Several, State
from policies.redact.characters import MARKS, normalized, reads
from policies.redact.effects import CLEARED, RESTARTED, STARTED, Effect
from policies.redact.factor import BORN
from policies.redact.held import Held
from policies.redact.lane import Lane, Track
from policies.redact.rules import Rule

Best = tuple[int, int] | None
PIECE: Final = 32
"""Number of characters after which a joined scan may go apart again."""
LOOK_BACK: Final = 8
"""Number of characters that are first searched for the end of a match."""
_END: Final = attrgetter("end")


class Found(NamedTuple):
    """A finished match."""

    start: int
    end: int
    rule: int


class Scanner:
    """The scanner of one lane.

    `text` is the raw text, which the owner updates before each scan. In a lane that `halts`, the first complete match
    ends the scan. It is then the only one in `found`, and `halted` is true.
    """

    __slots__ = (
        "_behind",
        "_bests",
        "_halted_from",
        "_starts",
        "_state",
        "_tracks",
        "found",
        "halted",
        "halts",
        "lane",
        "position",
        "rules",
        "text",
    )

    def __init__(self, lane: Lane, rules: Sequence[Rule], text: Held) -> None:
        self.lane = lane
        self.rules: Final = rules
        self.text: Final = text
        self.position = 0
        self.found: list[Found] = []
        self.halts = lane.halts
        self.halted = False
        self._halted_from = 0
        self._state = lane.joined.initial
        self._starts: list[int] = []
        self._bests: list[Best] = []
        self._behind: list[list[Found]] = []
        self._tracks: Sequence[Track] | None = lane.begin

    def scan(self, chunk: str) -> int:
        """Scan the next characters. Return how many were taken, fewer if the slice's work is done or the scan halts."""
        begun, at, size = self.position, 0, PIECE
        while at < len(chunk) and size:
            piece = chunk[at : at + size]
            ahead = None if self._tracks is None else follow_all(self._tracks, piece, self.position)
            if ahead is not None:
                self.go(ahead, self.position + len(piece))
            elif self._tracks is not None and self.lane.spent:  # the states built so far can be followed
                size //= 2
                continue
            elif self._scan_joined(piece) < len(piece):
                break
            else:
                self._part()
            at += len(piece)
        return self.position - begun

    def finish(self) -> None:
        """Process the natural end of the text."""
        if self._tracks is not None and all([_ends_quietly(state) for state, _ in self._tracks]):
            self.go(self.lane.begin, self.position)
            return
        self._join()
        state, effect = self._state.end()
        self._state = self._settle(state, effect, self.position, edge=True)

    def held_from(self) -> int:
        """The start of the oldest match under way, or the position without one. The match that halted the
        scan counts.
        """
        if self._tracks is None:
            oldest = self._starts[0] if self._starts else self.position
            return min(oldest, self._halted_from) if self.halted else oldest
        return min([starts[0] for _, starts in self._tracks if starts], default=self.position)

    def best(self) -> Best:
        """The best match so far of the oldest start under way."""
        return self._bests[0] if self._tracks is None and self._bests else None

    def sure(self) -> Best:
        """The same match, if it can only become a longer match of its rule."""
        best = self.best()
        return best if best is not None and self._state.rules[0] == {best[1]} else None

    def under_way(self) -> Iterator[tuple[int, frozenset[int]]]:
        """Yield the starts of matches under way, and the rules under way from there."""
        for state, starts in ((self._state, self._starts),) if self._tracks is None else self._tracks:
            yield from zip(starts, state.rules, strict=True)

    def kept_for(self, position: int) -> tuple[frozenset[int], frozenset[int]]:
        """Return the rules under way from `position` or earlier, and those that have a match there already."""
        if self._tracks is not None:
            live = [state.under_way(bisect_right(starts, position)) for state, starts in self._tracks]
            return frozenset().union(*live), frozenset()
        slots = bisect_right(self._starts, position)
        matched = [best[1] for best in self._bests[:slots] if best is not None]
        behind = self._behind[slots - 1] if slots else []
        at = bisect_right(behind, position, key=_END)
        if at < len(behind) and behind[at].start <= position:
            matched.append(behind[at].rule)
        return self._state.under_way(slots), frozenset(matched)

    def go(self, tracks: Sequence[Track], position: int) -> None:
        """Continue from another place, where nothing has matched."""
        self._tracks = tracks
        self.position = position

    def apart(self) -> Sequence[Track] | None:
        """The tracks, unless a match is unfinished."""
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
        """Continue joined from the tracks' position."""
        if self._tracks is None:
            return
        begun = [[starts[s] for s in slots] for state, starts in self._tracks for slots in state.slots]
        self._starts = sorted({start for group in begun for start in group})
        self._bests = [None] * len(self._starts)
        self._behind = [[] for _ in self._starts]
        number = {start: i for i, start in enumerate(self._starts)}
        self._state = self.lane.joined.state(
            tuple(part for state, _ in self._tracks for part in state.parts),
            tuple(tuple(number[start] for start in group) for group in begun),
        )
        self._tracks = None

    def _part(self) -> None:
        """Continue apart, if nothing has matched and starts identify the slots."""
        starts = self._starts
        if self.halted or any(self._bests) or any(self._behind) or len(set(starts)) < len(starts):
            return
        tracks, first = [], 0
        for automaton in self.lane.apart:
            upto = first + len(automaton.factors)
            slots = self._state.slots[first:upto]
            used = sorted({s for group in slots for s in group})
            renumbered = tuple(tuple(used.index(s) for s in group) for group in slots)
            state = automaton.state(self._state.parts[first:upto], renumbered)
            tracks.append((state, tuple(starts[s] for s in used)))
            first = upto
        self._tracks = tracks

    def _settle(self, state: State | None, effect: Any, position: int, edge: bool = False) -> State:
        """Return the next state, after any effect on the registers."""
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
        text = self.text.between(start, end)
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
                births = births and not self._ended_at(position)
            state = following
        return state

    def _ended_at(self, position: int) -> bool:
        """Return true if a match ended there."""
        last = [waiting[-1] for waiting in (self.found, *self._behind) if waiting]
        ends = [best[0] for best in self._bests if best is not None]
        return position in ends or any(found.end == position for found in last)

    def _apply(self, effect: Effect, position: int, edge: bool) -> None:
        if effect is STARTED:
            self._begin(position - 1)
            return
        if effect.accepts:
            del self._starts[effect.upto + 1 :], self._bests[effect.upto + 1 :], self._behind[effect.upto + 1 :]
        kept = len(self._starts)
        born = BORN in effect.sources or any(source == BORN for source, _, _ in effect.accepts)
        if born:
            self._begin(position - 1)
        for source, rule, ended in effect.accepts:
            self._match(kept if source == BORN else source, rule, self._end(rule, ended, position, edge))
        slots = [kept if source == BORN else source for source in effect.sources]
        if self.halted:
            self._reduce(slots)
        else:
            self._keep(slots)

    def _begin(self, start: int) -> None:
        self._starts.append(start)
        self._bests.append(None)
        self._behind.append([])

    def _match(self, slot: int, rule: int, end: int) -> None:
        """Record a match of a slot."""
        self._bests[slot] = _better(self._bests[slot], (end, rule))
        self._behind[slot] = []
        if not self.halts:
            return
        start = self._starts[slot]
        self._halted_from = min(self._halted_from, start) if self.halted else start
        if not self.halted or end < self.found[0].end:
            self.halted = True
            self.found = [Found(start, end, rule)]

    def _keep(self, slots: Sequence[int]) -> None:
        """Keep only these slots. Matches of the others wait for the previous slot, or for nothing."""
        starts, bests, behind = self._starts, self._bests, self._behind
        self._reduce(slots)
        if len(slots) == len(starts):
            return
        alive, before = set(slots), self.found
        for slot, start in enumerate(starts):
            if slot in alive:
                before = behind[slot]
                continue
            best = bests[slot]
            if best is not None:
                before.append(Found(start, *best))
            before += behind[slot]
            if len(before) > 2 * self.lane.most_behind and before is not self.found:
                del before[: -self.lane.most_behind]  # all in text that is already processed

    def _reduce(self, slots: Sequence[int]) -> None:
        """Reduce the registers to these slots."""
        self._starts = [self._starts[slot] for slot in slots]
        self._bests = [self._bests[slot] for slot in slots]
        self._behind = [self._behind[slot] for slot in slots]

    def _end(self, rule: int, ended: int, position: int, edge: bool) -> int:
        """Return a match's end, without invisible characters after it. `edge`: what settled it has no position."""
        end = position if edge else position - ended
        if ended and self.rules[rule].normalize:
            return self._visible_end(end)
        return end

    def _visible_end(self, end: int) -> int:
        """Find where the invisible characters before a position start. The cost is linear in their number."""
        base, most = self.text.base, LOOK_BACK
        while end > base:
            start = max(end - most, base)
            for char in reversed(self.text.between(start, end)):
                if not _invisible(char):
                    return end
                end -= 1
            most *= 2
        return end


def _ends_quietly(state: State) -> bool:
    """Return true if nothing matches at the text's end."""
    if not state.count:
        return True
    following, effect = state.end()
    return following is not None and (effect is None or effect.quiet)


def follow_all(tracks: Sequence[Track], piece: str, begun: int) -> list[Track] | None:
    """Follow all tracks. Return None if something matches in the piece or the allowed work is done."""
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
    """Follow a track while nothing matches. Return None if something does."""
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
    """Follow the rarer transitions: slots removed between others, and a character that reads as several.

    Such a character is left to the joined way if a match starts within it, because tracks compare positions only.
    """
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
    """Return the longer match, or the earlier rule's if equal."""
    if known is None or new[0] > known[0]:
        return new
    return known if known[0] > new[0] else (known[0], min(known[1], new[1]))


def _invisible(char: str) -> bool:
    return char >= "\x80" and char not in MARKS and not reads(char)
