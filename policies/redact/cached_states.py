"""Cached positions of a stream while nothing has matched: one look-up for each piece of text.

While no match is waiting, the lanes' knowledge of a text is the states of their tracks, and how far back the matches
under way began. A *place* is this knowledge, relative to the current position, so that it does not depend on earlier
text. From a place, the same piece leads to the same place in every stream. Pieces of models' answers repeat, so most
are looked up here, for all lanes at once, instead of character by character.

Only results of following a piece are cached. A piece in which something matches, or in which a limit could act, is not
cached.

Pieces are clients' text, and the cache outlives their streams. It therefore holds only word-like pieces: at most
`SHORT` characters without a digit, with no more than that under way before and after. Most pieces of keys, numbers and
addresses are followed each time. A piece is not marked with its client, is only ever compared, and is evicted by newer
ones. There are at most `MAX_PIECES`.
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
"""Maximum number of characters of a cached piece, and of the text under way around it."""
MAX_PIECES: Final = 16_384
_DIGIT: Final = re.compile(r"\d")


class CachedState(SharedByStreams, dict[str, "CachedState | None"]):
    """A place and the places to which pieces lead from it. None means that a piece must be handled in another way.

    `tracks` are those of all lanes, with starts counted from here (0 or less). `held` counts the characters before here
    that are held, `under_way` those that belong to a match under way.
    """

    __slots__ = ("_places", "held", "tracks", "under_way")

    def __init__(self, places: "Places", tracks: tuple[Track, ...]) -> None:
        self._places = places
        self.tracks = tracks
        self.held = -min([starts[0] for _, starts in tracks[: places.holding] if starts], default=0)
        self.under_way = -min([starts[0] for _, starts in tracks if starts], default=0)

    def __missing__(self, piece: str) -> "CachedState | None":
        return self._places.follow(self, piece)

    def forget(self) -> None:
        """Drop the cached pieces."""
        self.clear()


class Places(SharedByStreams):
    """The places of a set of lanes, for all their streams.

    `lanes` are each lane's automata. The first `holding` lanes hold text, at most `least` characters.
    """

    def __init__(self, lanes: Sequence[Sequence[Automaton]], holding: int, least: int) -> None:
        ends = [0]
        for lane in lanes:
            ends.append(ends[-1] + len(lane))
        self.parts: Final = tuple(map(slice, ends, ends[1:]))
        """Slices of a place's tracks, one for each lane."""
        self.holding: Final = ends[holding]
        """Number of leading tracks that hold text."""
        self.least = least
        self._known = Remembered[tuple[Track, ...], CachedState]()
        self._pieces = Entries(MAX_PIECES)
        self.start: Final = CachedState(self, tuple((automaton.initial, ()) for lane in lanes for automaton in lane))

    def at(self, tracks: Iterable[Track], position: int) -> CachedState:
        """Return the place of tracks whose starts are absolute. `position` is the current position."""
        return self._place(
            tuple([(s, tuple([start - position for start in starts]) if starts else ()) for s, starts in tracks])
        )

    def follow(self, place: CachedState, piece: str) -> CachedState | None:
        """Follow a piece that is not cached."""
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
