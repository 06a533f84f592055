"""The rules of one lane, compiled: what scanners of all streams share.

Rule: rules of different lanes do nothing to each other's matches (see `redactor`).
"""

from collections.abc import Sequence
from typing import Final

from policies.redact.automaton import Automaton, State
from policies.redact.bounded_cache import SharedByStreams

Track = tuple[State, tuple[int, ...]]
"""Where an automaton is, and where the matches under way in it started."""
MAX_BEHIND: Final = 4_096
"""Matches that wait behind one slot, if more of them cannot be in text that is held."""


class Lane(SharedByStreams):
    """The rules of one lane: `joined` over all their factors, `apart` over some each, in the same order. With `halts`,
    of a start's matches that complete together the one that ended first is meant, not the longest. `most` characters
    at most are held for it."""

    def __init__(self, apart: Sequence[Automaton], *, halts: bool = False, most: int = 0) -> None:
        self.most_behind = max(2 * most, MAX_BEHIND)
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
