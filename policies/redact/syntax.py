"""Translation of `re` syntax to nodes: the dialect, and the rejected constructs.

An accepted pattern means exactly what it means in `re`. Constructs that one left-to-right pass cannot decide exactly
are rejected when the rule is loaded, with an alternative. These are back-references, look-around of more than one
character, conditionals, atomic groups and possessive repeats, `$` without `(?m)` (it looks two characters ahead),
patterns that match the empty text, and repeats of a body that can be empty (only there, the order of preference would
differ from `re`).

Counted repeats are expanded, so a rule's size is the maximum number of its partial matches at one time. It is limited,
because it is also the worst cost of one character of hostile text.
"""

import re
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

from policies.redact.characters import decomposed, reads
from policies.redact.nfa import NEWLINE, WORD, Item, Kind, Look, Nfa, is_mark

MAX_NODES: Final = 500
MAX_REPEAT: Final = 1000
MAX_SILENT: Final = 10
"""Maximum number of alternatives, options and assertions for each allowed node.

They take no character, but repeats around them expand them, too.
"""
_SINGLE = (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN)

_ANCHORS: Final = {
    c.AT_BEGINNING: Look.START,
    c.AT_BEGINNING_STRING: Look.START,
    c.AT_END_STRING: Look.END,
    c.AT_BOUNDARY: Look.BOUNDARY,
    c.AT_NON_BOUNDARY: Look.NOT_BOUNDARY,
}
_REFUSED: Final = {
    c.GROUPREF: ("a back-reference", "write the repeated part out, or use two rules"),
    c.GROUPREF_IGNORE: ("a back-reference", "write the repeated part out, or use two rules"),
    c.GROUPREF_EXISTS: ("a conditional group", "write both cases as alternatives"),
    c.ATOMIC_GROUP: ("an atomic group", "use a plain group: matching is linear anyway"),
    c.POSSESSIVE_REPEAT: ("a possessive repeat", "use a plain repeat: matching is linear anyway"),
}


class Unsupported(Exception):
    """A construct that the engine cannot match exactly, and its alternative."""

    def __init__(self, construct: str, remedy: str) -> None:
        super().__init__(f"{construct}: {remedy}")
        self.construct = construct
        self.remedy = remedy


class Parsed:
    """A pattern parsed by `re`, before it becomes nodes."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        try:
            tree = _parser.parse(pattern, flags)
        except (re.error, OverflowError, RecursionError) as error:
            raise Unsupported(f"the pattern ({error})", "correct its syntax") from None
        self.items: list[Item] = list(tree.data)
        self.flags = int(tree.state.flags)
        low, high = tree.getwidth()
        self.min_width, self.max_width = int(low), int(high)
        if low == 0:
            raise Unsupported("a pattern that can match the empty text", "make at least one part of it required")


def add_pattern(nfa: Nfa, rule: int, parsed: Parsed, *, normalize: bool, budget: int = MAX_NODES) -> int:
    """Add a rule's nodes to the automaton. Return the number of nodes that take a character, the rule's size."""
    writer = _Writer(nfa, rule, normalize, budget)
    accept = nfa.node(Kind.ACCEPT, rule)
    nfa.starts.append(writer.sequence(parsed.items, parsed.flags, accept))
    return writer.size


class _Writer:
    """Writes one rule from back to front. Each part gets the node that follows it."""

    def __init__(self, nfa: Nfa, rule: int, normalize: bool, budget: int) -> None:
        self.nfa = nfa
        self.rule = rule
        self.normalize = normalize
        self.budget = budget
        self.size = 0
        self._silent = 0

    def sequence(self, items: Any, flags: int, after: int) -> int:
        for op, arg in reversed(list(items)):
            after = self._item(op, arg, flags, after)
        return after

    def _item(self, op: Any, arg: Any, flags: int, after: int) -> int:
        if op in _SINGLE:
            return self._single((op, arg), flags, after)
        if op is c.SUBPATTERN:
            _, add, drop, inner = arg
            return self.sequence(inner, (flags | add) & ~drop, after)
        if op is c.BRANCH:
            return self._split([self.sequence(branch, flags, after) for branch in arg[1]])
        if op is c.MAX_REPEAT or op is c.MIN_REPEAT:
            return self._repeat(op is c.MAX_REPEAT, arg, flags, after)
        if op is c.AT:
            return self._anchor(arg, flags, after)
        if op is c.ASSERT or op is c.ASSERT_NOT:
            return self._look_around(op is c.ASSERT, arg, flags, after)
        construct, remedy = _REFUSED.get(op, (f"the construct {op}", "write it another way"))
        raise Unsupported(construct, remedy)

    def _single(self, item: Item, flags: int, after: int) -> int:
        op, arg = item
        if not self.normalize or op is not c.LITERAL:
            return self._char(self.nfa.test(_as_read(item) if self.normalize else item, flags), after)
        if is_mark(arg):
            return self._char(self.nfa.mark_test(chr(arg)), after)
        read = reads(chr(arg))
        if read not in ("", chr(arg)):
            return self.sequence([(op, ord(ch)) for ch in read], flags, after)
        parts = decomposed(chr(arg))
        whole = self._char(self.nfa.test(item, flags), after)
        if parts is None:
            return whole
        spelled = self._single((op, ord(parts[0])), flags, self._char(self.nfa.mark_test(parts[1]), after))
        return self._split([whole, spelled])

    def _char(self, test: int, after: int) -> int:
        self.size += 1
        if self.size > self.budget:
            raise Unsupported(
                f"a pattern of more than {self.budget} nodes (with counted repeats expanded)",
                "lower the counts, or use + or * in their place",
            )
        return self.nfa.node(Kind.CHAR, self.rule, test, after)

    def _split(self, ways: list[int]) -> int:
        self._count_silent(1 + len(ways))
        return self.nfa.node(Kind.SPLIT, self.rule, ways)

    def _count_silent(self, count: int) -> None:
        self._silent += count
        if self._silent > MAX_SILENT * self.budget:
            raise Unsupported(
                f"a pattern of more than {MAX_SILENT * self.budget} alternatives and assertions "
                "(with counted repeats expanded)",
                "lower the counts, or use `words` for a list of texts",
            )

    def _repeat(self, greedy: bool, arg: Any, flags: int, after: int) -> int:
        low, high, body = arg
        endless = high is c.MAXREPEAT
        if low > MAX_REPEAT or (not endless and high > MAX_REPEAT):
            raise Unsupported(f"a repeat of more than {MAX_REPEAT}", "use + or * in its place")
        if body.getwidth()[0] == 0 and (endless or high > 1):
            raise Unsupported(
                "a repeat of a part that can be empty",
                "make the part required and the repeat optional: (?:a+)? for (?:a*)*",
            )
        if endless:
            loop = self._split([])
            into = self.sequence(body, flags, loop)
            self.nfa.arg[loop] = [into, after] if greedy else [after, into]
            after = loop
        else:
            end = after
            for _ in range(high - low):
                into = self.sequence(body, flags, after)
                after = self._split([into, end] if greedy else [end, into])
        for _ in range(low):
            after = self.sequence(body, flags, after)
        return after

    def _anchor(self, at: Any, flags: int, after: int) -> int:
        if at is c.AT_END and not flags & re.MULTILINE:
            raise Unsupported("$ without (?m)", r"use \Z for the end of the text, or (?m:$) for the end of a line")
        if at is c.AT_END or (at is c.AT_BEGINNING and flags & re.MULTILINE):
            look = Look.LINE_END if at is c.AT_END else Look.LINE_START
            return self._look(look, NEWLINE, 0, after)
        return self._look(_ANCHORS[at], WORD, flags, after)

    def _look_around(self, positive: bool, arg: Any, flags: int, after: int) -> int:
        direction, inner = arg
        items = list(inner)
        while len(items) == 1 and items[0][0] is c.SUBPATTERN:
            _, add, drop, deeper = items[0][1]
            flags, items = (flags | add) & ~drop, list(deeper)
        if len(items) != 1 or items[0][0] not in _SINGLE:
            raise Unsupported(
                "look-around that is not exactly one character", r"test one character, as in (?<!\w) or (?![a-z.])"
            )
        if direction < 0:
            return self._look(Look.BEHIND if positive else Look.BEHIND_NOT, items[0], flags, after)
        return self._look(Look.AHEAD if positive else Look.AHEAD_NOT, items[0], flags, after)

    def _look(self, look: Look, item: Item, flags: int, after: int) -> int:
        self._count_silent(1)
        return self.nfa.node(Kind.LOOK, self.rule, (look, self.nfa.look(item, flags)), after)


def _as_read(item: Item) -> Item:
    """Extend a character class by the normalized forms of its members: `[０-９]` also accepts ASCII digits."""
    op, arg = item
    if op is not c.IN:
        return item
    return op, [*arg, *(new for new in map(_member_as_read, arg) if new is not None)]


def _member_as_read(member: Item) -> Item | None:
    op, arg = member
    if op is c.LITERAL:
        read = reads(chr(arg))
        return (op, ord(read)) if len(read) == 1 and read != chr(arg) else None
    if op is c.RANGE:
        low, high = reads(chr(arg[0])), reads(chr(arg[1]))
        moved = len(low) == 1 and len(high) == 1 and (ord(low), ord(high)) != arg and low <= high
        return (op, (ord(low), ord(high))) if moved else None
    return None
