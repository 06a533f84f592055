"""The type of a built-in rule."""

from collections.abc import Callable
from dataclasses import dataclass

Validator = Callable[[str], bool]
"""Returns true if a match is valid. An invalid match does not count, and the next best end is tried."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A pattern, and further conditions for a match."""

    pattern: str
    validator: Validator | None = None
