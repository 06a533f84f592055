"""Bounded caches of lazily built automata, shared by all streams: states by key, and their transitions.

Above a limit, each new entry evicts the two oldest. The cache shrinks to its limit in small steps, because freeing
everything at once would stall every stream. An evicted state's transitions are freed with it. A stream that is in such
a state continues, and rebuilds what it needs.

The number of states does not limit their size, because a text can extend each of them by every possible letter. The
number of all their transitions is therefore limited, too, and so is their weight.
"""

from collections import deque
from collections.abc import Hashable
from typing import Any, Final, Protocol, Self, TypeVar

MAX_STATES: Final = 4_000
MAX_WEIGHT: Final = 1_000_000


class Forgettable(Protocol):
    """A state that can drop its transitions."""

    def forget(self) -> None:
        """Drop the transitions built so far."""


class SharedByStreams:
    """Objects that all streams share, and that a copy of a stream shares with it."""

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
        """Cache a new state of the given weight, evict older ones if necessary, and return it."""
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
    """The entries of many mappings, oldest first, at most `most` in total."""

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def note(self, mapping: dict[Any, Any], key: object) -> None:
        """Record that a mapping has a new entry."""
        self.append((mapping, key))
        if len(self) > self._most:
            for _ in range(2):
                old, gone = self.popleft()
                old.pop(gone, None)
