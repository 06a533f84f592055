"""Run a text through the guard's parts, whole or cut."""

from collections.abc import Iterator
from typing import Any

from policies.json_guard.grammar import Grammar
from policies.json_guard.match import Matcher
from policies.json_guard.pace import Pace
from policies.json_guard.schema import Schema, compiled
from policies.json_guard.whole import Whole
from policies.steps import finished
from policies.work import Work

ANYTHING: Any = object()


def compile_schema(source: Any, *, whole: bool = False) -> Schema:
    return finished(compiled(source, Pace(Work()), whole=whole))


def whole_of(source: Any) -> Whole:
    """Make the check of whole answers against a schema. None means any JSON."""
    return Whole(None if source is None else compile_schema(source, whole=True))


def fault(source: Any, text: str) -> str | None:
    """Find the fault of a whole answer."""
    return finished(whole_of(source).fault(text))


def grammar(schema: Any = ANYTHING) -> Grammar:
    if schema is ANYTHING:
        return Grammar()
    made = compile_schema(schema)
    return Grammar(Matcher(made) if made.root is not None else None)


def first_bad(pieces: list[str], schema: Any = ANYTHING) -> int | None:
    """Return the place in the joined pieces of the character that broke them."""
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
    """Yield the text whole, one character at a time, and cut once at each place."""
    yield [text]
    yield list(text)
    for at in range(1, len(text)):
        yield [text[:at], text[at:]]
