"""Search for secrets in everything that a client receives.

Every string in the response counts, joined over the events of the stream by its path. This also finds a copy in an
unexpected field. Strings are searched as they are, and with JSON's escapes decoded.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

RUN = 6
"""Number of consecutive characters of a secret that count as a leak."""

Texts = dict[str, str]
"""Path of a member (names, with the indexes of choices and tool calls) to its text over the whole stream."""


def texts_of(body: bytes) -> Texts:
    """Return all strings of a response's body, a stream of events or one JSON object. Other bodies are ignored."""
    pieces: defaultdict[str, list[str]] = defaultdict(list)
    for line in re.split(rb"\r?\n", body) if b"data:" in body else [body]:
        try:
            event = json.loads(line.removeprefix(b"data:").strip())
        except ValueError:
            continue
        for path, text in _leaves(event, ""):
            pieces[path].append(text)
    return {path: "".join(found) for path, found in pieces.items()}


def leaked(texts: Texts, secret: str) -> list[str]:
    """List the paths of the texts that contain part of the secret."""
    runs = {secret[at : at + RUN] for at in range(len(secret) - RUN + 1)}
    return [path for path, text in texts.items() if any(run in view for view in _views(text) for run in runs)]


def arrived(texts: Texts, member: str, parts: tuple[str, ...]) -> bool:
    """Return true if some text of `member` contains all of `parts`, so that the answer around the secret arrived."""
    return any(
        all(part in view for part in parts)
        for path, text in texts.items()
        if path.endswith(f".{member}")
        for view in _views(text)
    )


def _views(text: str) -> Iterator[str]:
    yield text
    if "\\u" in text:
        yield re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}")
        case [int(), *_] if path.endswith(".bytes"):
            yield path, bytes(value).decode(errors="replace")
        case list():
            for inner in value:
                place = inner.get("index", "") if isinstance(inner, dict) else ""
                yield from _leaves(inner, f"{path}[{place}]")
