"""Incremental check of one choice's content: fence, grammar and schema together."""

from collections.abc import Generator
from typing import Final

from policies.events import Pause
from policies.json_guard.fence import Closing, Opening
from policies.json_guard.grammar import Grammar
from policies.json_guard.match import Matcher
from policies.json_guard.schema import Schema

AT_ONCE: Final = 64
"""Characters that are checked without a pause."""


class Answer:
    """The content so far. `offset` is the place of the character that broke it, counted in the provider's text."""

    def __init__(self, schema: Schema | None, strip_fence: bool) -> None:
        self._matcher = Matcher(schema) if schema is not None and schema.root is not None else None
        self._grammar = Grammar(self._matcher)
        self._opening = Opening() if strip_fence else None
        self._closing: Closing | None = None
        self._count = 0
        self.empty = True
        self.broken = False
        self.offset = 0

    @property
    def unwatched(self) -> bool:
        """True if part of the schema was too costly to follow."""
        return self._matcher is not None and self._matcher.gave_up

    def steps(self, text: str) -> Generator[Pause, None, tuple[str, str]]:
        """Do the work of `feed` in steps."""
        good, bad = self.feed(text[:AT_ONCE])
        for start in range(AT_ONCE, len(text), AT_ONCE):
            yield Pause()
            more, rest = self.feed(text[start : start + AT_ONCE])
            good, bad = good + more, bad + rest
        return good, bad

    def feed(self, text: str) -> tuple[str, str]:
        """Take more content. Return its valid part without the fence, and the rest from the character that broke it."""
        if self.broken:
            return "", text
        self._count += len(text)
        self.empty = self.empty and not text.strip(" \t\r\n")
        if self._opening is not None:
            text = self._opening.feed(text)
        if self._closing is not None:
            return self._close(self._closing, "", text)
        at = self._grammar.feed(text)
        if at is None:
            return text, ""
        if text[at] == "`" and self._opening is not None and self._opening.fenced and self._grammar.complete:
            self._closing = Closing()
            return self._close(self._closing, text[:at], text[at:])
        return self._break(text[:at], text[at:])

    def finish(self) -> tuple[bool, str]:
        """End the content. Return true if it is valid JSON that fits the schema, and the held text that is not part of
        it.
        """
        held = self._opening.held if self._opening is not None else ""
        whole = not self.broken and not held and (self._closing is not None or self._grammar.finish())
        return whole, held

    def _close(self, closing: Closing, good: str, text: str) -> tuple[str, str]:
        at = closing.feed(text)
        return (good, "") if at is None else self._break(good, text[at:])

    def _break(self, good: str, bad: str) -> tuple[str, str]:
        self.broken = True
        self.offset = self._count - len(bad)
        return good, bad
