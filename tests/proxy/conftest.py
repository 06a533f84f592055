"""Fixtures that the tests of single parts share."""

from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest

from proxy.streaming.deadlines import Deadlines


@pytest.fixture(autouse=True)
def no_deadline_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the deadlines that a test made. Many tests share one task, which a later limit would cancel."""
    made: WeakSet[Deadlines] = WeakSet()
    make = Deadlines.__init__

    def noted(self: Deadlines, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        made.add(self)

    monkeypatch.setattr(Deadlines, "__init__", noted)
    yield
    for deadlines in list(made):
        deadlines.close()
