"""Fixtures that the tests of single parts share."""

from collections.abc import Iterator
from typing import Any

import pytest

from proxy.streaming.deadlines import Deadlines


@pytest.fixture(autouse=True)
def no_deadline_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the deadlines that a test made. Many tests share one task, which a later limit would cancel."""
    made: list[Deadlines] = []
    make = Deadlines.__init__

    def noted(self: Deadlines, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        made.append(self)

    monkeypatch.setattr(Deadlines, "__init__", noted)
    yield
    for deadlines in made:
        deadlines.close()
