"""Plain data as it came from YAML: what is where, if it is of the type that it should be.

Rule: a value of the wrong type reads as empty; the models tell of it.
"""

from collections.abc import Mapping
from typing import Any


def mapping(data: Any, key: str) -> dict[str, Any]:
    """The mapping under `key`."""
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, dict) else {}


def items(data: Any, key: str) -> list[Any]:
    """The list under `key`."""
    value = data.get(key) if isinstance(data, Mapping) else None
    return value if isinstance(value, list) else []
