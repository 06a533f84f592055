"""What a client sees of an answer, and whether a secret is in it.

Rule: every string anywhere in the response counts, joined over the events of the stream by its path, so that a copy in
a field that nobody thought of is found too; as it stands and with JSON's escapes read.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

RUN = 6
"""So many characters of a secret in a row are a leak."""

Texts = dict[str, str]
"""Path of a member (names, with the indexes of choices and tool calls) -> its text over the whole stream."""


def texts_of(body: bytes) -> Texts:
    """All strings of a response's body: a stream of events, or one JSON object. What is no JSON is left out."""
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
    """The paths of the texts that hold some of the secret."""
    runs = {secret[at : at + RUN] for at in range(len(secret) - RUN + 1)}
    return [path for path, text in texts.items() if any(run in view for view in _views(text) for run in runs)]


def arrived(texts: Texts, member: str, parts: tuple[str, ...]) -> bool:
    """Whether some text of `member` holds all of `parts`: the answer came through beside the secret."""
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
