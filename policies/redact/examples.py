"""Example texts that a rule matches, made from its pattern's syntax tree.

The engine has matched every example as a whole. Limitations of the generator (assertions, validators) therefore cause
fewer examples, never wrong ones. The examples of a rule are always the same.
"""

import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from re import _constants as c  # type: ignore[attr-defined]
from typing import Any, Final

from policies.redact.entities import ENTITIES
from policies.redact.entities.samples import SAMPLES
from policies.redact.redactor import Redactor
from policies.redact.rules import Rule
from policies.redact.syntax import Parsed

_TRIES: Final = 40
_MAX_LENGTH: Final = 200
"""Approximate maximum number of characters of an example."""
_SOME_MORE: Final = 2
_ALPHABETS: Final = (string.ascii_lowercase, string.digits + string.ascii_uppercase, string.punctuation, " ", "密碼é")
_BEFORE: Final = ("", " ", "a", "\n")
_AFTER: Final = ("", " ", "a")
_CATEGORIES: Final[dict[Any, Callable[[str], bool]]] = {
    c.CATEGORY_DIGIT: str.isdigit,
    c.CATEGORY_SPACE: str.isspace,
    c.CATEGORY_WORD: lambda ch: ch.isalnum() or ch == "_",
}
_OPPOSITES: Final = {
    c.CATEGORY_NOT_DIGIT: c.CATEGORY_DIGIT,
    c.CATEGORY_NOT_SPACE: c.CATEGORY_SPACE,
    c.CATEGORY_NOT_WORD: c.CATEGORY_WORD,
}


def examples(rule: Rule, most: int = 2) -> list[str]:
    """Return up to `most` different texts that the rule matches as a whole, shorter ones first if possible."""
    engine = Redactor.of([_searching(rule)])
    found: list[str] = []
    for text in _candidates(rule):
        if text not in found and _matches_whole(engine, lead(rule), text):
            found.append(text)
        if len(found) == most:
            break
    return found


def long_texts(rule: Rule, longest: int, count: int = 4) -> list[str]:
    """Return texts of about `longest` characters that keep a rule under way for long. Every repeat has its maximum."""
    if rule.pattern is None:
        return [rule.words.trie.longest] if rule.words is not None else []
    chance = random.Random(rule.pattern)
    items = Parsed(rule.pattern).items
    made = [_Maker(chance, longest, long=True, widest=at == 0).text(items) for at in range(count)]
    return [*made, *(_sample_of(rule)[:1])]


def lead(rule: Rule) -> str:
    """Return a character that must stand before a match if the rule begins with such an assertion, else nothing."""
    if rule.pattern is None:
        return ""
    op, arg = Parsed(rule.pattern).items[0]
    return _Maker(random.Random(0), 1).text(arg[1]) if op is c.ASSERT and arg[0] < 0 else ""


def _candidates(rule: Rule) -> Iterator[str]:
    yield from _sample_of(rule)
    if rule.pattern is None:
        yield from rule.words.shown if rule.words is not None else ()
        return
    chance = random.Random(rule.pattern)
    items = Parsed(rule.pattern).items
    for _ in range(_TRIES):
        yield _Maker(chance, _MAX_LENGTH).text(items)


def _sample_of(rule: Rule) -> tuple[str, ...]:
    return next((SAMPLES.get(name, ()) for name, entity in ENTITIES.items() if entity.pattern == rule.pattern), ())


def _searching(rule: Rule) -> Rule:
    """Return the rule with a plain label, whatever its action."""
    return replace(rule, action="redact", label="#", mask="", shadow=False, max_hold=10 * _MAX_LENGTH)


def _matches_whole(engine: Redactor, lead: str, text: str) -> bool:
    """Return true if the engine takes the text as one match in some surroundings."""
    for before in (lead, *_BEFORE):
        for after in _AFTER:
            stream = engine.stream()
            stream.feed(before + text + after)
            stream.close()
            if [(m.start, m.end) for m in stream.matches] == [(len(before), len(before) + len(text))]:
                return bool(text)
    return False


class _Maker:
    """Makes one text of at most about `longest` characters.

    `long` uses the maximum of each repeat. `widest` does the same in alternatives.
    """

    def __init__(self, chance: random.Random, longest: int, *, long: bool = False, widest: bool = False) -> None:
        self._chance = chance
        self._long = long
        self._widest = widest
        self._longest = self._left = longest

    def text(self, items: Any) -> str:
        return "".join(self._item(op, arg) for op, arg in items)

    def _item(self, op: Any, arg: Any) -> str:
        if op is c.LITERAL:
            return chr(arg)
        if op is c.NOT_LITERAL:
            return self._char([(c.NEGATE, None), (c.LITERAL, arg)])
        if op is c.ANY:
            return self._char([(c.NEGATE, None), (c.LITERAL, 10)])
        if op is c.IN:
            return self._char(arg)
        if op is c.SUBPATTERN:
            return self.text(arg[3])
        if op is c.BRANCH:
            return self.text(self._branch(arg[1]))
        if op is c.MAX_REPEAT or op is c.MIN_REPEAT:
            return self._repeat(*arg)
        return ""  # an assertion takes no character

    def _branch(self, branches: Sequence[Any]) -> Any:
        return max(branches, key=lambda b: b.getwidth()[1]) if self._widest else self._chance.choice(branches)

    def _repeat(self, low: int, high: Any, body: Any) -> str:
        most = self._longest if high is c.MAXREPEAT else int(high)
        count = most if self._long else self._chance.randint(low, min(most, low + _SOME_MORE))
        out = ""
        for done in range(count):
            if self._left <= 0 and done >= low:
                break
            piece = self.text(body)
            self._left -= max(len(piece), 1)
            out += piece
        return out

    def _char(self, members: Sequence[Any]) -> str:
        fitting = _fitting(tuple(members))
        return self._chance.choice(fitting) if fitting else ""


@lru_cache(maxsize=1_000)
def _fitting(members: tuple[tuple[Any, Any], ...]) -> list[str]:
    """Return characters that a class accepts, from the plainest alphabet with any."""
    for alphabet in _ALPHABETS:
        fitting = [ch for ch in alphabet if _takes(members, ch)]
        if fitting:
            return fitting
    return [chr(arg if op is c.LITERAL else arg[0]) for op, arg in members if op in (c.LITERAL, c.RANGE)]


def _takes(members: Sequence[Any], ch: str) -> bool:
    """Return true if a character class accepts a character."""
    negated = members[0][0] is c.NEGATE
    return negated is not any(_is(op, arg, ch) for op, arg in members)


def _is(op: Any, arg: Any, ch: str) -> bool:
    if op is c.LITERAL:
        return bool(ord(ch) == arg)
    if op is c.RANGE:
        return bool(arg[0] <= ord(ch) <= arg[1])
    if op is not c.CATEGORY:
        return False
    if arg in _OPPOSITES:
        return not _CATEGORIES[_OPPOSITES[arg]](ch)
    return _CATEGORIES[arg](ch)
