"""Runs a text through the guard's parts, whole or cut."""

from collections.abc import Iterator
from typing import Any

from policies.json_guard.grammar import Grammar
from policies.json_guard.match import Matcher
from policies.json_guard.schema import compile_schema

ANYTHING: Any = object()


def grammar(schema: Any = ANYTHING) -> Grammar:
    if schema is ANYTHING:
        return Grammar()
    compiled = compile_schema(schema)
    return Grammar(Matcher(compiled) if compiled.root is not None else None)


def first_bad(pieces: list[str], schema: Any = ANYTHING) -> int | None:
    """The place in the joined pieces of the character that broke them."""
    checker, before = grammar(schema), 0
    for piece in pieces:
        at = checker.feed(piece)
        if at is not None:
            return before + at
        before += len(piece)
    return None


def whole(text: str, schema: Any = ANYTHING) -> bool:
    checker = grammar(schema)
    return checker.feed(text) is None and checker.finish()


def cuts(text: str) -> Iterator[list[str]]:
    """The text whole, one character at a time, and cut once at each place."""
    yield [text]
    yield list(text)
    for at in range(1, len(text)):
        yield [text[:at], text[at:]]
