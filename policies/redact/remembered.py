"""States by their keys, within a bound: what a lazily built automaton remembers, for all streams.

Rule: past the bound the two oldest go with each new one, so that the memory shrinks to its bound again in small steps:
freeing all at once would stall every stream. What a forgotten state leads to is freed with it; a stream that is in one
goes on, and what it needs is built anew.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final, Protocol, Self, TypeVar

MAX_STATES: Final = 4_000


class Forgettable(Protocol):
    """A state that can drop what it leads to."""

    def forget(self) -> None:
        """Drop the transitions built so far."""


class SharedByStreams:
    """What all streams share, and what a copy of a stream shares with it."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> Self:
        return self


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Forgettable)


class Remembered(dict[K, S]):
    """The states, oldest first."""

    __slots__ = ("_oldest",)

    def __init__(self) -> None:
        super().__init__()
        self._oldest: deque[K] = deque()

    def remember(self, key: K, state: S) -> S:
        """Keep a new state, at the price of older ones; gives it."""
        self[key] = state
        self._oldest.append(key)
        if len(self._oldest) > MAX_STATES:
            for _ in range(2):
                self.pop(self._oldest.popleft()).forget()
        return state
