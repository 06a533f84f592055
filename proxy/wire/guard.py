"""What a guarded chain lets through of structures that are only half known.

Rule: an allow-list. Real servers repeat the answer's text in members that no policy sees, so only what cannot hold text
passes: numbers and signatures (which a client must send back for a conversation with tools to go on).
"""

from collections.abc import Mapping
from typing import Any

_SIGNATURES = frozenset({"signature", "thought_signature", "thought_signatures"})


def numbers(value: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are numbers, and those that are objects with numbers in them."""
    kept: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, dict):
            member = numbers(member)
            if not member:
                continue
        elif isinstance(member, bool) or not isinstance(member, int | float):
            continue
        kept[name] = member
    return kept


def signatures(value: Mapping[str, Any]) -> dict[str, Any]:
    """The members that sign a provider's reasoning, and the objects that hold some."""
    kept: dict[str, Any] = {}
    for name, member in value.items():
        if name in _SIGNATURES:
            if _is_signature(member):
                kept[name] = member
        elif isinstance(member, dict) and (inner := signatures(member)):
            kept[name] = inner
    return kept


def _is_signature(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, str)
