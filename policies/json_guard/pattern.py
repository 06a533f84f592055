"""A schema's regular expressions, searched in linear time: whoever sends a request writes both the pattern and, through
the prompt, the text, and `re` would take hours for some pairs.

Rule. What is accepted finds what `re.search` finds, but `$` is the very end (as in JSON Schema's own dialect).
Look-around, back-references, atomic groups and possessive repeats are refused.

Theory. `re`'s syntax tree becomes a Thompson automaton; the set of its live states walks over the text. Single
characters and word boundaries are tested by `re` itself. Each step is paid for, so a caller can bound the work.
"""

import re
from collections.abc import Callable
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final, TypeAlias

MOST_NODES: Final = 5000
"""How many states a pattern may have; counted repeats are written out."""

_SINGLE = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_ENDS = (_constants.AT_END, _constants.AT_END_STRING)

_Test: TypeAlias = Callable[[str, int], Any]
_Node: TypeAlias = tuple[_Test | None, bool, list[int]]  # its test, whether that takes a character, where it leads


class Unsupported(Exception):
    """A pattern that is not searched for; the message says why."""


class Pattern:
    """A regular expression. Raises `Unsupported`."""

    def __init__(self, pattern: str) -> None:
        try:
            tree = _parser.parse(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise Unsupported(f"cannot be read ({error})") from None
        self._nodes: list[_Node] = [(None, False, [])]
        self._tests: dict[str, _Test] = {}
        self._flags = tree.state.flags
        if self._flags & re.MULTILINE:
            raise Unsupported("uses the multi-line flag")
        self._start = self._sequence(tree.data, 0)
        self.size = len(self._nodes)

    def search(self, text: str, spend: Callable[[int], None]) -> bool:
        """Whether it is found in the text. `spend` is told of each step's cost before the next."""
        live: set[int] = set()
        for at in range(len(text) + 1):
            live.add(self._start)
            live = self._closure(live, text, at)
            spend(len(live))
            if 0 in live:
                return True
            if at < len(text):
                live = self._step(live, text, at)
        return False

    def _closure(self, live: set[int], text: str, at: int) -> set[int]:
        found = set(live)
        todo = list(live)
        while todo:
            test, takes, after = self._nodes[todo.pop()]
            if not takes and (test is None or test(text, at)):
                fresh = [node for node in after if node not in found]
                found.update(fresh)
                todo += fresh
        return found

    def _step(self, live: set[int], text: str, at: int) -> set[int]:
        nodes = self._nodes
        return {nodes[n][2][0] for n in live if nodes[n][1] and nodes[n][0](text, at)}  # type: ignore[misc]

    # ---- the tree, written back to front: each part is given the node that follows it
    def _sequence(self, items: Any, after: int) -> int:
        for op, arg in reversed(list(items)):
            after = self._item(op, arg, after)
        return after

    def _item(self, op: Any, arg: Any, after: int) -> int:
        if op in _SINGLE:
            return self._node(self._tested(op, arg), True, [after])
        if op is _constants.AT:
            return self._node(_at_end if arg in _ENDS else self._tested(op, arg), False, [after])
        if op is _constants.SUBPATTERN:
            if arg[1] or arg[2]:
                raise Unsupported("changes flags in the middle")
            return self._sequence(arg[3], after)
        if op is _constants.BRANCH:
            return self._node(None, False, [self._sequence(branch, after) for branch in arg[1]])
        if op in _REPEATS:
            least, most, body = arg
            return self._repeat(least, most, body, after)
        raise Unsupported("uses look-around, a back-reference, an atomic group or a possessive repeat")

    def _repeat(self, least: int, most: Any, body: Any, after: int) -> int:
        if most is _constants.MAXREPEAT:
            loop = self._node(None, False, [after])
            self._nodes[loop][2].append(self._sequence(body, loop))
            after = loop
        else:
            end = after
            for _ in range(int(most) - least):
                after = self._node(None, False, [end, self._sequence(body, after)])
        for _ in range(least):
            after = self._sequence(body, after)
        return after

    def _tested(self, op: Any, arg: Any) -> _Test:
        key = f"{op}{arg}"
        if key not in self._tests:
            state = _parser.State()
            state.flags = self._flags
            compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [(op, arg)]), self._flags)
            self._tests[key] = compiled.match
        return self._tests[key]

    def _node(self, test: _Test | None, takes: bool, after: list[int]) -> int:
        if len(self._nodes) == MOST_NODES:
            raise Unsupported(f"has more than {MOST_NODES} states, counted repeats written out")
        self._nodes.append((test, takes, after))
        return len(self._nodes) - 1


def _at_end(text: str, at: int) -> bool:
    return at == len(text)
