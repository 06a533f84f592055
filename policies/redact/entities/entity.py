"""What a built-in rule is."""

from collections.abc import Callable
from dataclasses import dataclass

Validator = Callable[[str], bool]
"""Whether a match is really one. A match that is not counts as none, and the next best end is tried."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A pattern, and what else a match must pass."""

    pattern: str
    validator: Validator | None = None
