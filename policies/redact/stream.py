"""One text on its way: chunks in, redacted text out, as early as it is certain.

Rule: what goes out depends on the text so far, never on how it was cut. Text is held from the start of the oldest match
under way, in the redact lane or in the block lane. Once a match's label is certain (only its own rule is still under
way, and the label does not depend on how the match ends) the label goes out and the rest is swallowed as it comes.

A rule's `max_hold` bounds what is held for it, never what it matches. The oldest character held is held for the rules
under way from there or from before; it stays while one of them allows. Then, if one of those rules (or one that has a
match there) is `closed`, one label takes the place of all that is held; if all are `open`, the oldest character goes
(or, where a match is complete already, its label). A match that began in text already replaced gets no second label.
The bound acts after each character, so text is taken in pieces that cannot pass it unseen.

Only a natural end releases what is held; any other drops it.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from policies.redact.cached_states import CachedState, Places
from policies.redact.emitter import Emitter
from policies.redact.lane import Lane, Track
from policies.redact.rules import Rule
from policies.redact.scanner import Scanner
from policies.redact.watcher import Watcher, WatchLane

SLICE_WORK: Final = 120
"""The automaton work of one slice of `pieces`, in nodes visited: a fraction of a millisecond."""
SLICE_CHARS: Final = 128
INVISIBLE_SHARE: Final = 16
"""A match may be this many times as long as its visible part and still be shown whole to its validator."""
LEAST_REACH: Final = 16
"""The same where there is no validator, to tell a match's end from invisible characters behind it."""
ENDLESS: Final = float("inf")


class Match(NamedTuple):
    """The place of a rule's match, in raw characters from the text's start. It never holds the text."""

    rule: str
    start: int
    end: int


class Lanes(NamedTuple):
    """The automata of a set of rules, by what their matches do; None where there are no such rules. `places` are those
    of all of them: block, redact, watch. `reach` is the longest match that a validator may look at."""

    places: Places
    redact: Lane | None
    block: Lane | None
    watch: WatchLane | None = None
    reach: int = 0


class Stream:
    """The redaction of one text. `blocked` names the block rule that ended it, if one did; `matches` are the finished
    matches so far; `overflowed` tells whether more was ever held than may be."""

    __slots__ = (
        "_block",
        "_closed",
        "_emitter",
        "_holding",
        "_least",
        "_place",
        "_places",
        "_position",
        "_reach",
        "_redact",
        "_rules",
        "_scanners",
        "_shows",
        "_watched",
        "blocked",
        "matches",
        "overflowed",
    )

    def __init__(self, rules: Sequence[Rule], lanes: Lanes, emitter: Emitter) -> None:
        self.blocked: str | None = None
        self.matches: list[Match] = []
        self.overflowed = False
        self._rules = rules
        self._emitter = emitter
        self._reach = INVISIBLE_SHARE * max(lanes.reach, LEAST_REACH)
        self._least = lanes.places.least
        self._redact = Scanner(lanes.redact, rules, emitter) if lanes.redact is not None else None
        self._block = Scanner(lanes.block, rules, emitter) if lanes.block is not None else None
        watch = Watcher(lanes.watch, rules, emitter) if lanes.watch is not None else None
        self._watched = watch is not None
        self._shows = self._watched or lanes.reach > 0
        self._scanners = [s for s in (self._block, self._redact, watch) if s is not None]
        self._holding = [s for s in (self._block, self._redact) if s is not None]
        self._position = 0
        self._closed = False
        self._places = lanes.places
        self._place: CachedState | None = self._places.start

    @property
    def held(self) -> int:
        """The characters taken in and not yet given out, redacted or swallowed."""
        return self._position - self._emitter.emitted

    @property
    def position(self) -> int:
        """The characters taken in."""
        return self._position

    @property
    def settled(self) -> int:
        """From where on it is still open what is a match; a match whose label is out already may yet grow."""
        if self._place is not None:
            return self._position - self._place.held
        return min((s.held_from() for s in self._holding), default=self._position)

    @property
    def oldest(self) -> int:
        """From where on it is still open what any rule finds."""
        if self._place is not None:
            return self._position - self._place.under_way
        return min(s.held_from() for s in self._scanners)

    def skip(self) -> None:
        """Hold nothing that came so far: it went to the client another way. A match under way still counts, and is
        replaced as far as it is yet to come."""
        self._leave()
        self._emitter.emitted = self._position

    def feed(self, text: str) -> str:
        """Take the next characters, and return those that can go out. Nothing once the stream is closed or blocked.

        Text in which nothing matches goes from one cached state to the next. Without that a chunk is twice the work."""
        emitter = self._emitter
        ahead = None if self._place is None or not emitter.verbatim else self._place[text]
        if ahead is None:
            return self._feed_slowly(text)
        self._place = ahead
        position = self._position = self._position + len(text)
        data = emitter.buffer + text
        if self._watched:
            return self._give_and_keep(data, ahead)
        keep = ahead.held
        if keep >= len(data):
            emitter.buffer = data
            return ""
        emitter.base = emitter.emitted = position - keep
        if not keep:
            emitter.buffer = ""
            return data
        emitter.buffer = data[-keep:]
        return data[:-keep]

    def _give_and_keep(self, data: str, ahead: CachedState) -> str:
        """Give out what is not held; keep what scanners that hold nothing may yet look at."""
        emitter, base, position = self._emitter, self._emitter.base, self._position
        emitted = emitter.emitted
        upto = max(position - ahead.held, emitted)
        low = min(upto, max(position - ahead.under_way, position - self._reach))
        if low > base:
            emitter.base = low
            emitter.buffer = data[low - base :]
        else:
            emitter.buffer = data
        emitter.emitted = upto
        return data[emitted - base : upto - base]

    def _feed_slowly(self, text: str) -> str:
        """The way of text in which something matches or a bound may act."""
        self._leave()
        out: list[str] = []
        at = 0
        while at < len(text) and not self._closed:
            piece = text[at : at + self._size(len(text) - at)]
            at += len(piece)
            self._emitter.show(piece)
            taken = len(piece)
            for scanner in self._scanners:
                taken = scanner.scan(piece if taken == len(piece) else piece[:taken])
            self._take(taken, out)
        self._enter()
        return out[0] if len(out) == 1 else "".join(out)

    def _leave(self) -> None:
        """Let the scanners go on from the place where the text is."""
        place, self._place = self._place, None
        if place is None:
            return
        for scanner, part in zip(self._scanners, self._places.parts, strict=True):
            position = self._position
            tracks = [(state, tuple([position + start for start in starts])) for state, starts in place.tracks[part]]
            scanner.go(tracks, position)

    def _enter(self) -> None:
        """Go on from a place, if the scanners have nothing that one cannot tell, and what is kept is what is held."""
        emitter = self._emitter
        if (
            self._closed
            or emitter.waiting
            or not emitter.verbatim
            or not emitter.short
            or (emitter.base != emitter.emitted and not self._watched)
        ):
            return
        tracks: list[Track] = []
        for scanner in self._scanners:
            own = scanner.apart()
            if own is None:
                return
            tracks += own
        self._place = self._places.at(tracks, self._position)

    def pieces(self, text: str) -> Iterator[str]:
        """As `feed`, in slices each of which takes a fraction of a millisecond, however dear the text is to match."""
        self._leave()
        at = 0
        while at < len(text) and not self._closed:
            piece = text[at : at + min(self._size(len(text) - at), SLICE_CHARS)]
            at += len(piece)
            self._emitter.show(piece)
            taken = len(piece)
            for scanner in self._scanners:
                begun = scanner.position
                while not _scan_slice(scanner, piece[scanner.position - begun : taken]):
                    yield ""
                taken = scanner.position - begun
            out: list[str] = []
            self._take(taken, out)
            yield "".join(out)

    def close(self, natural: bool = True) -> str:
        """End the text; gives what a natural end releases, or nothing."""
        out: list[str] = []
        busy = self._place is None or self._place.under_way
        self._leave()
        if natural and busy and not self._closed:
            for scanner in self._scanners:
                scanner.finish()
            self._take(0, out)
        self._end()
        return "".join(out)

    def _size(self, left: int) -> int:
        """Return how many of the characters left can be taken before a bound may act."""
        return left if left <= self._least - self.held else min(self._room(), left)

    def _room(self) -> int:
        """Return how many characters can be taken before any of the rules under way may be past its bound."""
        room, emitted = self._least, self._emitter.emitted
        for scanner in self._holding:
            for start, rules in scanner.under_way():
                bound = min([self._rules[r].max_hold for r in rules])
                room = min(room, bound - self._position + max(start, emitted))
                if room <= 1:
                    return 1
        return room

    def _take(self, count: int, out: list[str]) -> None:
        """After all scanners took `count` characters: give out, and keep what is held within its bound."""
        self._position += count
        emitter, block, redact = self._emitter, self._block, self._redact
        limit = self._position if block is None else block.held_from()
        if redact is not None:
            if redact.found:
                self.matches.extend(Match(self._rules[r].name, s, e) for s, e, r in redact.found)
            emitter.emit(out, redact, limit)
        else:
            emitter.release(limit, out)
        if len(self._scanners) > 1 or redact is None:
            self._watch()
        while self.held > self._least and not self._closed and self._bound(out):
            self.overflowed = True
        needed = self._needed() if self._shows else self._position
        emitter.forget(min(needed, emitter.emitted))

    def _bound(self, out: list[str]) -> bool:
        """Give out what is held for longer than the rules it is held for allow, if it is; tells whether."""
        emitter = self._emitter
        kept = [scanner.kept_for(emitter.emitted) for scanner in self._holding]
        live = [self._rules[rule] for rules, _ in kept for rule in rules]
        if self.held <= max([rule.max_hold for rule in live], default=self._least):
            return False
        matched = [self._rules[rule] for _, rules in kept for rule in rules]
        if all(rule.opens for rule in (*live, *matched)):
            emitter.let_go(out, self._redact)
        else:
            emitter.replace_held(out, self._redact, self._position)
        return True

    def _watch(self) -> None:
        """Collect what the lanes beside the redact lane found."""
        for scanner in self._scanners:
            if scanner is not self._redact and scanner.found:
                self.matches.extend(Match(self._rules[r].name, s, e) for s, e, r in scanner.found)
                if scanner is self._block:
                    self.blocked = self._rules[scanner.found[0].rule].name
                    self._end()
                scanner.found.clear()

    def _needed(self) -> int:
        """From where on a scanner may still look at the text."""
        return max(self.oldest, self._position - self._reach)

    def _end(self) -> None:
        redact = self._redact
        best = redact.best() if redact is not None and not self._closed else None
        if redact is not None and best is not None and redact.held_from() < self._emitter.covered:
            self.matches.append(Match(self._rules[best[1]].name, redact.held_from(), best[0]))  # its label is out
        self._closed = True
        self._emitter.drop(self._position)


def _scan_slice(scanner: Scanner | Watcher, piece: str) -> bool:
    """Scan with bounded work; tells whether the scanner is through with the piece."""
    scanner.lane.allow(SLICE_WORK)
    try:
        taken = scanner.scan(piece)
    finally:
        scanner.lane.allow(ENDLESS)
    return taken == len(piece) or scanner.halted
