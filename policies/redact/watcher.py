"""The lane of rules that only report: flags, and rules in shadow mode. No text waits for them.

Each rule reports its matches as if it were alone, and none takes text from another.

While nothing matches, rules do not interact, so they share their automata (`partition`) as in other lanes. When
something of an automaton matches in a piece, each of its rules scans the piece alone, until no rule has an unfinished
match. Then they share again. The transfer is exact, because a rule's part of a shared state is the groups of its own
nodes.
"""

from collections.abc import Sequence
from typing import Final

from policies.redact.automaton import Automaton, Paused
from policies.redact.bounded_cache import SharedByStreams
from policies.redact.factor import Group
from policies.redact.held import Held
from policies.redact.lane import Lane, Track
from policies.redact.nfa import NODES
from policies.redact.rules import Rule
from policies.redact.scanner import PIECE, Found, Scanner, follow

Member = tuple[int, int, Lane]
"""A rule of an automaton: its factor, its number, and its own lane."""


class WatchLane(SharedByStreams):
    """The automata of the reporting rules, and each rule's own lane. Factors that share a state share its nodes."""

    def __init__(self, shared: Sequence[Automaton]) -> None:
        self.shared: Final = tuple(shared)
        self.members: Final = tuple(tuple(_members(automaton)) for automaton in shared)

    def allow(self, work: float) -> None:
        """Limit the work until the next `Paused`. Each rule alone gets a part of it."""
        for automaton, members in zip(self.shared, self.members, strict=True):
            automaton.allowance = work
            for _, _, lane in members:
                lane.allow(max(work / len(members), 1))


def _members(automaton: Automaton) -> list[Member]:
    return [
        (index, rule, Lane([Automaton([factor.alone(rule)], automaton.transitions)]))
        for index, factor in enumerate(automaton.factors)
        for rule in sorted(set(factor.nfa.rule))
    ]


class Watcher:
    """A `Scanner` over a `WatchLane`. `tracks` are the shared ways, `_alone` the scanners of split automata."""

    halted: Final = False
    __slots__ = ("_alone", "_tracks", "found", "lane", "position", "rules", "text")

    def __init__(self, lane: WatchLane, rules: Sequence[Rule], text: Held) -> None:
        self.lane = lane
        self.rules: Final = rules
        self.text: Final = text
        self.position = 0
        self.found: list[Found] = []
        self._tracks: list[Track] = [(automaton.initial, ()) for automaton in lane.shared]
        self._alone: dict[int, list[Scanner]] = {}

    def scan(self, chunk: str) -> int:
        """Scan the next characters. Return how many were taken: fewer than all when the work allowed for a slice is
        done.
        """
        begun, at, size = self.position, 0, PIECE
        while at < len(chunk) and size:
            piece = chunk[at : at + size]
            if self._take(piece):
                at += len(piece)
            else:
                size //= 2
        return self.position - begun

    def finish(self) -> None:
        """Process the natural end of the text."""
        for index, (state, _) in enumerate(self._tracks):
            if index not in self._alone:
                following, effect = state.end()
                if following is not None and (effect is None or effect.quiet):
                    continue
                self._split(index)
            for scanner in self._alone[index]:
                scanner.finish()
        self._collect()

    def held_from(self) -> int:
        """The start of the oldest match under way, or the position without one."""
        shared = [starts[0] for index, (_, starts) in enumerate(self._tracks) if starts and index not in self._alone]
        alone = [scanner.held_from() for scanners in self._alone.values() for scanner in scanners]
        return min([*shared, *alone], default=self.position)

    def apart(self) -> Sequence[Track] | None:
        """The tracks, unless a match is unfinished."""
        return None if self._alone else self._tracks

    def go(self, tracks: Sequence[Track], position: int) -> None:
        """Continue from another place, where nothing has matched."""
        self._tracks = [*tracks]
        self.position = position

    def _take(self, piece: str) -> bool:
        """Scan a piece on all tracks, or nothing of it yet. Return true if it was scanned."""
        ways: list[Track] = []
        try:
            for index, (state, starts) in enumerate(self._tracks):
                way = None if index in self._alone else follow(state, starts, piece, self.position)
                ways.append((state, starts) if way is None else way)
                if way is None and index not in self._alone:
                    self._split(index)
        except Paused:
            return False
        done = [self._take_alone(scanner, piece) for scanners in self._alone.values() for scanner in scanners]
        self._collect()
        if not all(done):
            return False
        self.go(ways, self.position + len(piece))
        for index in [*self._alone]:
            self._share(index)
        return True

    def _take_alone(self, scanner: Scanner, piece: str) -> bool:
        """Let one rule scan the rest of a piece."""
        left = piece[scanner.position - self.position :]
        return scanner.scan(left) == len(left)

    def _collect(self) -> None:
        for scanners in self._alone.values():
            for scanner in scanners:
                self.found += scanner.found
                scanner.found.clear()

    def _split(self, index: int) -> None:
        """Continue with each rule of an automaton alone."""
        shared, starts = self._tracks[index]
        self._alone[index] = []
        for number, rule, lane in self.lane.members[index]:
            part, slots = shared.parts[number], shared.slots[number]
            rule_of = shared.automaton.factors[number].nfa.rule
            own = [tuple([n for n in group if rule_of[n & NODES] == rule]) for group in part.groups]
            begun = tuple(starts[slot] for slot, group in zip(slots, own, strict=True) if group)
            (factor,) = lane.joined.factors
            alone = factor.state(tuple(group for group in own if group), part.before)
            scanner = Scanner(lane, self.rules, self.text)
            state = lane.joined.state((alone,), (tuple(range(len(begun))),))
            scanner.go([(state, begun)], self.position)
            self._alone[index].append(scanner)

    def _share(self, index: int) -> None:
        """Share an automaton again, once none of its rules has an unfinished match and all have arrived here."""
        ways = [scanner.apart() for scanner in self._alone[index]]
        if any(way is None for way in ways) or any(s.position != self.position for s in self._alone[index]):
            return
        automaton = self.lane.shared[index]
        groups: list[dict[int, Group]] = [{} for _ in automaton.factors]
        before: list[int | None] = [None] * len(automaton.factors)
        for (number, _, _), way in zip(self.lane.members[index], ways, strict=True):
            ((state, starts),) = way  # type: ignore[misc]
            (part,) = state.parts
            before[number] = part.before
            for start, group in zip(starts, part.groups, strict=True):
                groups[number][start] = groups[number].get(start, ()) + group
        parts = [
            f.state(tuple(g[s] for s in sorted(g)), b)
            for f, g, b in zip(automaton.factors, groups, before, strict=True)
        ]
        starts = tuple(sorted({start for of_factor in groups for start in of_factor}))
        slots = tuple(tuple(starts.index(start) for start in sorted(of_factor)) for of_factor in groups)
        self._tracks[index] = automaton.state(tuple(parts), slots), starts
        del self._alone[index]
