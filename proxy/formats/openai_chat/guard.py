"""What a guarded chain lets through of structures that are only half known.

Rule: an allow-list. Real servers repeat the answer's text in members that no policy sees, so only what cannot hold text
passes: numbers, images, and signatures (which a client must send back for a conversation with tools to go on). What
passes as one of these has its form, so that none of them can be text.
"""

import re
from collections.abc import Mapping
from typing import Any

_SIGNATURES = frozenset({"signature", "thought_signature", "thought_signatures"})
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_INLINE = re.compile(r"data:image/[a-z0-9.+-]+;base64,")
_ADDRESSES = ("https://", "http://")


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


def thinking_blocks(value: list[Any]) -> list[dict[str, Any]]:
    """The signed blocks of thought, each with its text (which a policy looks at) and its signature alone."""
    kept: list[dict[str, Any]] = []
    for block in value:
        match block:
            case {"type": "thinking", "thinking": str(text), "signature": signature} if _is_signature(signature):
                kept.append({"type": "thinking", "thinking": text, "signature": signature})
            case {"type": "redacted_thinking", "data": data} if _is_signature(data):
                kept.append({"type": "redacted_thinking", "data": data})
    return kept


def images(value: list[Any]) -> list[dict[str, Any]]:
    """The images, by their data or (which a policy looks at) their address."""
    kept: list[dict[str, Any]] = []
    for image in value:
        match image:
            case {"type": "image_url", "image_url": {"url": str(url)}} if _is_image(url):
                kept.append({"type": "image_url", "image_url": {"url": url}})
    return kept


def _is_image(url: str) -> bool:
    inline = _INLINE.match(url)
    return url.startswith(_ADDRESSES) if inline is None else _BASE64.fullmatch(url, inline.end()) is not None


def _is_signature(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_signature(item) for item in value)
    return isinstance(value, str) and _BASE64.fullmatch(value) is not None
