"""Long work in small steps, so that whoever takes the steps can do other things in between.

Rule: such work is a generator. It yields `None` at least once for about every millisecond of work and returns its
result. It does no more than a few steps' worth of work when it is closed before its end.
"""

from collections.abc import Generator
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")

Steps: TypeAlias = Generator[None, None, _T]


def finished(steps: Steps[_T]) -> _T:
    """Take all steps at once, and give the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result
