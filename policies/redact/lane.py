"""The compiled rules of one lane, shared by the scanners of all streams.

Rules of different lanes do not affect each other's matches (see `redactor`).
"""

from collections.abc import Sequence
from typing import Final

from policies.redact.automaton import Automaton, State
from policies.redact.bounded_cache import SharedByStreams

Track = tuple[State, tuple[int, ...]]
"""The state of an automaton, and the starts of its matches under way."""
MAX_BEHIND: Final = 4_096
"""Maximum number of matches that wait for one slot, unless held text can contain more."""


class Lane(SharedByStreams):
    """The rules of one lane.

    `joined` covers all their factors. Each of `apart` covers some of them, in the same order. With `halts`, if several
    matches of a start complete together, the one that ended first counts, not the longest. At most `most` characters
    are held for the lane.
    """

    def __init__(self, apart: Sequence[Automaton], *, halts: bool = False, most: int = 0) -> None:
        self.most_behind = max(2 * most, MAX_BEHIND)
        self.apart = tuple(apart)
        self.joined = apart[0] if len(apart) == 1 else Automaton([f for a in apart for f in a.factors])
        self.begin: tuple[Track, ...] = tuple((automaton.initial, ()) for automaton in apart)
        self.halts = halts
        for automaton in (self.joined, *self.apart):
            automaton.first_ends = halts

    def allow(self, work: float) -> None:
        """Limit the work until the next `Paused`."""
        for automaton in (self.joined, *self.apart):
            automaton.allowance = work

    @property
    def spent(self) -> bool:
        """True if the allowed work is done."""
        return any(automaton.allowance <= 0 for automaton in (self.joined, *self.apart))
