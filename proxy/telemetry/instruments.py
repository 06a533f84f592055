"""Counters and histograms, added to by the event loop and read by whoever exports them.

Rule: one instrument has one fixed list of labels and at most `MAX_SERIES` series; what comes beyond that is counted
under `_OTHER`. A label that is "" is not there.

Theory. Adding to one is a dictionary look-up and an addition, 0.5 µs, because labels are a tuple of strings; the SDK's
instruments take 8 µs, with a dozen of them on every request. The event loop alone writes; a reader in another thread
copies each series in one step, so a figure is at most one request old and never torn.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from proxy.telemetry.names import OTHER

MAX_SERIES = 2000

Labels: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Counter:
    """A sum. `monotonic` False: one that can fall. `unit` is UCUM's, as OpenTelemetry wants it."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    monotonic: bool = True
    _points: dict[Labels, float] = field(default_factory=dict)

    def add(self, amount: float, *labels: str) -> None:
        """Add to the series of these labels, in the order of `self.labels`."""
        points = self._points
        if labels not in points and len(points) >= MAX_SERIES:
            labels = (OTHER,) * len(labels)
        points[labels] = points.get(labels, 0) + amount

    def series(self) -> Iterator[tuple[Labels, float]]:
        """Each series and its value."""
        yield from list(self._points.items())


@dataclass(slots=True)
class Observed:
    """A figure that is asked for when somebody reads it."""

    name: str
    unit: str
    description: str
    read: Callable[[], float]
    labels: tuple[str, ...] = ()
    monotonic: bool = False

    def series(self) -> Iterator[tuple[Labels, float]]:
        """Its one series."""
        yield (), self.read()


@dataclass(frozen=True, slots=True)
class Point:
    """What a series of a histogram holds: `counts` has one more element than the bounds."""

    sum: float
    least: float
    most: float
    counts: Sequence[int]

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return sum(self.counts)


@dataclass(slots=True)
class Histogram:
    """A distribution over buckets, each up to and with its bound."""

    name: str
    unit: str
    description: str
    bounds: tuple[float, ...]
    labels: tuple[str, ...] = ()
    _points: dict[Labels, list[float]] = field(default_factory=dict)

    def record(self, value: float, *labels: str) -> None:
        """Add a value to the series of these labels, in the order of `self.labels`."""
        point = self._points.get(labels)
        if point is None:
            if len(self._points) >= MAX_SERIES:
                labels = (OTHER,) * len(labels)
            point = self._points.setdefault(labels, [0.0, math.inf, -math.inf, *[0.0] * (len(self.bounds) + 1)])
        point[0] += value
        if value < point[1]:
            point[1] = value
        if value > point[2]:
            point[2] = value
        point[3 + bisect_left(self.bounds, value)] += 1

    def series(self) -> Iterator[tuple[Labels, Point]]:
        """Each series and what it holds."""
        for labels, point in list(self._points.items()):
            total, least, most, *counts = list(point)
            yield labels, Point(total, least, most, [int(count) for count in counts])


Instrument: TypeAlias = Counter | Observed | Histogram


@dataclass(slots=True)
class Instruments:
    """All of a process's. `started` is in nanoseconds since the epoch."""

    all: list[Instrument] = field(default_factory=list)
    started: int = field(default_factory=time.time_ns)

    def add(self, *instruments: Instrument) -> None:
        """Take instruments in."""
        self.all += instruments
