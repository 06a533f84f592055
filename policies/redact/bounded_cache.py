"""What a lazily built automaton remembers for all streams, within bounds: states by their keys, and what they lead to.

Rule: past a bound the two oldest go with each new one, so that the memory shrinks to its bound again in small steps:
freeing all at once would stall every stream. What a forgotten state leads to is freed with it; a stream that is in one
goes on, and what it needs is built anew.

A number of states does not bound their size: a text can lead each of them on with every letter there is. So what they
lead to is bounded, too, all states together, and so is their weight.
"""

from collections import deque
from collections.abc import Hashable
from typing import Any, Final, Protocol, Self, TypeVar

MAX_STATES: Final = 4_000
MAX_WEIGHT: Final = 1_000_000


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

    __slots__ = ("_oldest", "_weight")

    def __init__(self) -> None:
        super().__init__()
        self._oldest: deque[tuple[K, int]] = deque()
        self._weight = 0

    def remember(self, key: K, state: S, weight: int = 0) -> S:
        """Keep a new state, at the price of older ones; gives it."""
        self[key] = state
        self._oldest.append((key, weight))
        self._weight += weight
        if len(self._oldest) > MAX_STATES or self._weight > MAX_WEIGHT:
            for _ in range(min(2, len(self._oldest) - 1)):
                oldest, light = self._oldest.popleft()
                self._weight -= light
                self.pop(oldest).forget()
        return state


class Entries(deque[tuple[dict[Any, Any], object]]):
    """The entries of many mappings, oldest first, at most `most` of them together."""

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def note(self, mapping: dict[Any, Any], key: object) -> None:
        """A mapping has a new entry."""
        self.append((mapping, key))
        if len(self) > self._most:
            for _ in range(2):
                old, gone = self.popleft()
                old.pop(gone, None)
