"""Where a stream stands while nothing has matched, and where a piece of text leads from there: one look-up a piece.

Theory. As long as no match is waiting, all that the lanes know of a text is the states of their tracks, and how far
back the matches under way began. A *place* is that, counted back from where the text is, so that it says nothing of
what came before: from a place the same piece leads to the same place, in every stream. The pieces of models' answers
repeat, so most are looked up here, for all lanes at once, instead of being followed character by character.

Rule: what is remembered is what following gave. A piece in which something matches, or which a bound could act in,
leads nowhere and is not remembered.

Pieces are clients' text, and what is remembered outlives their streams. So only what is like a word is: at most `SHORT`
characters without a digit, with no more than that under way before and behind it; most pieces of keys, numbers and
addresses are followed each time. A piece is not marked with whose it was, is only ever compared, and goes as newer
ones come: there are at most `MAX_PIECES`.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from policies.redact import held
from policies.redact.automaton import Automaton
from policies.redact.bounded_cache import Entries, Remembered, SharedByStreams
from policies.redact.lane import Track
from policies.redact.scanner import PIECE, follow_all

SHORT: Final = 24
"""Characters of a piece that is remembered, and of what is under way around it."""
MAX_PIECES: Final = 16_384
_DIGIT: Final = re.compile(r"\d")


class CachedState(SharedByStreams, dict[str, "CachedState | None"]):
    """Where pieces lead; None for one to be taken another way. `tracks` are those of all lanes, starts counted from
    here (0 or less). `held` is how many characters before here are held, `under_way` how many some match is in."""

    __slots__ = ("_places", "held", "tracks", "under_way")

    def __init__(self, places: "Places", tracks: tuple[Track, ...]) -> None:
        self._places = places
        self.tracks = tracks
        self.held = -min([starts[0] for _, starts in tracks[: places.holding] if starts], default=0)
        self.under_way = -min([starts[0] for _, starts in tracks if starts], default=0)

    def __missing__(self, piece: str) -> "CachedState | None":
        return self._places.follow(self, piece)

    def forget(self) -> None:
        """Drop what was remembered."""
        self.clear()


class Places(SharedByStreams):
    """The places of a set of lanes, for all their streams. `lanes` are each lane's automata, of which the first
    `holding` lanes hold text, at most `least` characters."""

    def __init__(self, lanes: Sequence[Sequence[Automaton]], holding: int, least: int) -> None:
        ends = [0]
        for lane in lanes:
            ends.append(ends[-1] + len(lane))
        self.parts: Final = tuple(map(slice, ends, ends[1:]))
        """Which tracks of a place are each lane's."""
        self.holding: Final = ends[holding]
        """How many of the first tracks hold text."""
        self.least = least
        self._known = Remembered[tuple[Track, ...], CachedState]()
        self._pieces = Entries(MAX_PIECES)
        self.start: Final = CachedState(self, tuple((automaton.initial, ()) for lane in lanes for automaton in lane))

    def at(self, tracks: Iterable[Track], position: int) -> CachedState:
        """The place of tracks whose starts count from elsewhere: `position` is here."""
        return self._place(
            tuple([(s, tuple([start - position for start in starts]) if starts else ()) for s, starts in tracks])
        )

    def follow(self, place: CachedState, piece: str) -> CachedState | None:
        """Where a piece leads that is not remembered."""
        size = len(piece)
        if size > PIECE or size + place.held > min(self.least, held.SHORT):
            return None
        tracks = follow_all(place.tracks, piece, 0)
        if tracks is None:
            return None
        ahead = self.at(tracks, size)
        if size <= SHORT and place.under_way <= SHORT and ahead.under_way <= SHORT and not _DIGIT.search(piece):
            place[piece] = ahead
            self._pieces.note(place, piece)
        return ahead

    def _place(self, tracks: tuple[Track, ...]) -> CachedState:
        known = self._known.get(tracks)
        if known is not None:
            return known
        place = CachedState(self, tracks)
        return self._known.remember(tracks, place) if place.under_way <= SHORT else place
