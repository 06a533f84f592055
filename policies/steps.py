"""Long work in small steps, so that its caller can do other things in between.

Such work is a generator. It yields `None` at least once for about every millisecond of work, and returns its result.
When it is closed early, it does at most a few more steps of work.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Steps: TypeAlias = Generator[None, None, _T]


def finished(steps: Steps[_T]) -> _T:
    """Take all steps at once and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
