"""The text-independent automaton of one factor's rules: nodes, the tests on their edges, and classes of characters.

Nodes only say what `re` would do next. `factor` decides which thread wins. A node is an index into parallel lists. A
character matters only by its class: the tests that it passes, its trie letters, and its bits of the assertions' tests.
Each test is a piece of `re`'s own syntax tree compiled by `re`, so that categories and IGNORECASE agree with `re` by
construction.

A word list is one node, the root of its trie. The root's `next` follows the end of a word. Other nodes of the trie
combine the root's index with the trie's own number of the parent node (`NODES`).

A combining mark's class is `faint`: only a node that spells the mark takes it, and all others stay where they are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final

from policies.redact.characters import MARKS, fold, mark

Item = tuple[Any, Any]
"""An operation of `re`'s syntax tree with its argument."""

_FLAGS: Final = int(re.IGNORECASE | re.DOTALL | re.ASCII | re.UNICODE)
"""The flags that matter to one character."""

NODES: Final = 0xFFFF_FFFF
"""The bits of a node that are its index. The bits above them are its place in a trie."""

TRIE_BITS: Final = 32
"""Number of bits by which a place in a trie is shifted above the index of its root."""

EDGE: Final = -1
"""The class of the text's end, for assertions."""


class Kind(IntEnum):
    """The kind of a node."""

    CHAR = 0  # takes a character that passes a test
    TRIE = 1  # takes a letter of a word
    TRIE_FOLD = 2  # the same, upper or lower case
    LOOK = 3  # an assertion on the characters before and after
    SPLIT = 4  # several next nodes, in order of preference
    ACCEPT = 5


class Look(IntEnum):
    """Assertions. Those up to BEHIND_NOT depend on the previous character only."""

    START = 0
    LINE_START = 1
    BEHIND = 2
    BEHIND_NOT = 3
    BOUNDARY = 4
    NOT_BOUNDARY = 5
    END = 6
    LINE_END = 7
    AHEAD = 8
    AHEAD_NOT = 9


WORD: Final[Item] = (_constants.IN, [(_constants.CATEGORY, _constants.CATEGORY_WORD)])
NEWLINE: Final[Item] = (_constants.LITERAL, 10)


@dataclass(frozen=True, slots=True)
class Class:
    """The class of a character.

    It has the tests that it passes, the character as an exact and as a folded trie letter (or ""), the assertion tests
    that it passes as bits, and its faintness.
    """

    tests: frozenset[int]
    letter: str
    folded: str
    bits: int
    faint: bool


@dataclass(slots=True)
class Nfa:
    """Nodes and tests, filled by `syntax` and `words`, read by `factor`."""

    kind: list[Kind] = field(default_factory=list)
    arg: list[Any] = field(default_factory=list)
    next: list[int] = field(default_factory=list)
    rule: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    letters: set[str] = field(default_factory=set)
    folded_letters: set[str] = field(default_factory=set)
    _tests: list[Callable[[str], Any]] = field(default_factory=list)
    _ascii: list[set[int]] = field(default_factory=lambda: [set() for _ in range(128)])
    _beyond: list[int] = field(default_factory=list)
    _looks: list[int] = field(default_factory=list)
    _test_of: dict[tuple[Item, int], int] = field(default_factory=dict)
    _mark_tests: dict[str, int] = field(default_factory=dict)
    _class_of: dict[Class, int] = field(default_factory=dict)

    def node(self, kind: Kind, rule: int, arg: Any = None, next: int = -1) -> int:
        """Add a node and return its index."""
        self.kind.append(kind)
        self.arg.append(arg)
        self.next.append(next)
        self.rule.append(rule)
        return len(self.kind) - 1

    def test(self, item: Item, flags: int) -> int:
        """Return the test for a one-character item of `re`'s syntax tree."""
        op, arg = item
        key = ((op, tuple(arg)) if type(arg) is list else item), flags & _FLAGS
        known = self._test_of.get(key)
        if known is not None:
            return known
        match, passing, beyond = _made(*key)
        index = self._test_of[key] = len(self._tests)
        self._tests.append(match)
        for code in passing:
            self._ascii[code].add(index)
        if beyond:
            self._beyond.append(index)
        return index

    def mark_test(self, char: str) -> int:
        """Return the test that only the combining mark `char` passes."""
        if char not in self._mark_tests:
            self._mark_tests[char] = len(self._tests)
            self._tests.append(lambda _: None)
        return self._mark_tests[char]

    def look(self, item: Item, flags: int) -> int:
        """Return the bit for an assertion's one-character item."""
        test = self.test(item, flags)
        if test not in self._looks:
            self._looks.append(test)
        return 1 << self._looks.index(test)

    def classify(self, char: str, faint: bool = False) -> int | None:
        """Return the class of a character, or None if it is faint and no node spells it out."""
        found = self._faint(mark(char)) if faint else self._plain(char)
        if found is None:
            return None
        index = self._class_of.get(found)
        if index is None:
            index = self._class_of[found] = len(self.classes)
            self.classes.append(found)
        return index

    def _plain(self, char: str) -> Class:
        if char < "\x80":
            passed = frozenset(self._ascii[ord(char)])
        else:
            passed = frozenset(i for i in self._beyond if self._tests[i](char))
        bits = sum(1 << i for i, test in enumerate(self._looks) if test in passed)
        letter = char if char in self.letters else ""
        folded = fold(char) if self.folded_letters else ""
        return Class(passed, letter, folded if folded in self.folded_letters else "", bits, False)

    def _faint(self, char: str) -> Class | None:
        test = self._mark_tests.get(char)
        letter = char if char in self.letters else ""
        folded = char if char in self.folded_letters else ""
        if not char or (test is None and not letter and not folded):
            return None
        return Class(frozenset(() if test is None else (test,)), letter, folded, 0, True)

    def holds(self, node: int, before: int | None, after: int) -> bool:
        """Return true if a LOOK node is satisfied.

        `before` are the bits of the previous character (None: the text's start), `after` the class of the next one.
        """
        look, bit = self.arg[node]
        was = before is not None and bool(before & bit)
        if look <= Look.BEHIND_NOT:
            return _behind(look, before is None, was)
        if look is Look.END:
            return after == EDGE
        comes = after != EDGE and bool(self.classes[after].bits & bit)
        if look is Look.BOUNDARY or look is Look.NOT_BOUNDARY:
            return (was != comes) is (look is Look.BOUNDARY)
        if look is Look.LINE_END:
            return comes or after == EDGE
        return comes is (look is Look.AHEAD)


def _behind(look: Look, at_start: bool, was: bool) -> bool:
    if look is Look.START:
        return at_start
    if look is Look.LINE_START:
        return at_start or was
    return was is (look is Look.BEHIND)


@lru_cache(maxsize=16_384)
def _made(item: Item, flags: int) -> tuple[Callable[[str], Any], tuple[int, ...], bool]:
    """Return a test, the ASCII characters that pass, and true if others may pass.

    Rules are alike, and each is compiled for several automata, so most tests are cached.
    """
    match = _matcher(item, flags)
    return match, tuple(code for code in range(128) if match(chr(code))), not _ascii_only(item, flags)


def _matcher(item: Item, flags: int) -> Callable[[str], Any]:
    state = _parser.State()
    state.flags = flags
    state.str = ""
    compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [item]), flags)
    return compiled.match


def _ascii_only(item: Item, flags: int) -> bool:
    """Return true if no character beyond ASCII can pass. This saves most tests for most characters."""
    op, arg = item
    if flags & re.IGNORECASE and not flags & re.ASCII:
        return False
    if op is _constants.LITERAL:
        return bool(arg < 128)
    if op is not _constants.IN:
        return False
    return all((o is _constants.LITERAL and a < 128) or (o is _constants.RANGE and a[1] < 128) for o, a in arg)


def is_mark(code: int) -> bool:
    """Return true if a literal of a pattern is a combining mark, which only faint classes contain."""
    return chr(code) in MARKS
