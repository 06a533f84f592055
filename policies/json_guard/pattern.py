"""Linear-time search for a schema's regular expressions.

The sender of a request writes the pattern and, through the prompt, the text. For some such pairs `re` would take hours.

An accepted pattern finds what `re.search` finds, except that `$` is the very end (as in JSON Schema's dialect).
Look-around, back-references, atomic groups, possessive repeats, and patterns that would be too large are rejected. The
size is counted on the syntax tree, before a repeat is expanded. Each step is paid for, so that a caller can limit the
work.

`re`'s syntax tree becomes a Thompson automaton. The set of its live states moves along the text. `re` itself tests
single characters and word boundaries.
"""

import re
import warnings
from collections.abc import Callable, Iterable
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any, Final, TypeAlias

from policies.steps import Steps

MAX_NODES: Final = 5000
"""Maximum number of states of a pattern, with counted repeats expanded."""

MAX_LENGTH: Final = 4000
"""Maximum number of characters of a pattern. `re`'s parser takes a few milliseconds for these, and quadratic time
beyond.
"""

MAX_DEPTH: Final = 100
"""Maximum nesting depth of groups."""

_MAX_VISITS: Final = 4 * MAX_NODES
"""Maximum number of expanded parts, including groups without a state of their own."""

_SINGLE = (_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN)
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_ENDS = (_constants.AT_END, _constants.AT_END_STRING)
_CHARACTERS = (_constants.LITERAL, _constants.RANGE)
_SLICE = 200
"""States after which a search yields."""

_WARNED = re.compile(r"\[\[|--|&&|~~|\|\|")
"""Syntax for which `re`'s parser may write a warning to the process's standard error."""

_Test: TypeAlias = Callable[[str, int], Any]
_Node: TypeAlias = tuple[_Test | None, bool, list[int]]  # its test, whether that takes a character, where it leads
Spend: TypeAlias = Callable[[int], None]


class Unsupported(Exception):
    """A pattern that cannot be searched for. The message says why."""


class Pattern:
    """A regular expression, ready after its `steps` are done. `size` is the number of its states."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._nodes: list[_Node] = [(None, False, [])]
        self._start = 0
        self.size = 0

    def steps(self, spend: Spend) -> Steps[None]:
        """Prepare it for searches. Raises `Unsupported`."""
        spend(50 + 2 * min(len(self._pattern), MAX_LENGTH))
        tree = _parsed(self._pattern)
        yield
        size = _Size()
        spend(sum(size.of(tree.data, 0)))
        tests: dict[Any, _Test] = {}
        for key, (op, arg) in size.singles.items():
            spend(_cost(op, arg))
            tests[key] = _tested(op, arg, tree.state.flags)
            yield
        self._start = _Writer(self._nodes, tests, size.stateless).sequence(tree.data, 0)
        self.size = len(self._nodes)

    def search(self, text: str, spend: Spend) -> Steps[bool]:
        """Search a text. `spend` is told the cost of each step in advance."""
        live: set[int] = set()
        since = 0
        for at in range(len(text) + 1):
            live.add(self._start)
            live = self._closure(live, text, at)
            spend(len(live))
            since += len(live)
            if 0 in live:
                return True
            if at < len(text):
                live = self._step(live, text, at)
            if since > _SLICE:
                since = 0
                yield
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


def _parsed(pattern: str) -> Any:
    """Parse a pattern into `re`'s syntax tree."""
    if len(pattern) > MAX_LENGTH:
        raise Unsupported(f"has more than {MAX_LENGTH} characters")
    try:
        if not _WARNED.search(pattern):
            tree = _parser.parse(pattern)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                tree = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Unsupported(f"cannot be read ({str(error)[:80]})") from None
    if tree.state.flags & re.MULTILINE:
        raise Unsupported("uses the multi-line flag")
    return tree


class _Size:
    """The expanded size of parts of a syntax tree, in states and in visited parts.

    `singles` are the tests that they need, each once. `stateless` are the IDs of repeated bodies without a state. These
    are not expanded, however often they are repeated.
    """

    def __init__(self) -> None:
        self.singles: dict[Any, tuple[Any, Any]] = {}
        self.stateless: set[int] = set()

    def of(self, items: Any, depth: int) -> tuple[int, int]:
        """Return the states and visits of a sequence. Raises `Unsupported`."""
        if depth > MAX_DEPTH:
            raise Unsupported(f"nests groups deeper than {MAX_DEPTH}")
        states, visits = 0, 1
        for op, arg in items:
            more = self._item(op, arg, depth + 1)
            states, visits = states + more[0], visits + more[1]
            if states > MAX_NODES or visits > _MAX_VISITS:
                raise Unsupported(f"has more than {MAX_NODES} states, with counted repeats expanded")
        return states, visits

    def _item(self, op: Any, arg: Any, depth: int) -> tuple[int, int]:
        if op in _SINGLE or op is _constants.AT:
            self.singles.setdefault(_key(op, arg), (op, arg))
            return 1, 1
        if op is _constants.SUBPATTERN:
            if arg[1] or arg[2]:
                raise Unsupported("changes flags in the middle")
            return self.of(arg[3], depth)
        if op is _constants.BRANCH:
            sizes = [self.of(branch, depth) for branch in arg[1]]
            return 1 + sum(states for states, _ in sizes), 1 + sum(visits for _, visits in sizes)
        if op in _REPEATS:
            least, most, body = arg
            return self._repeat(least, most, body, depth)
        raise Unsupported("uses look-around, a back-reference, an atomic group or a possessive repeat")

    def _repeat(self, least: int, most: Any, body: Any, depth: int) -> tuple[int, int]:
        endless = most is _constants.MAXREPEAT
        if max(least, 0 if endless else int(most)) > MAX_NODES:
            raise Unsupported(f"repeats a part more than {MAX_NODES} times")
        states, visits = self.of(body, depth)
        if not states:
            self.stateless.add(id(body))
            return 0, 1
        times = least + 1 if endless else int(most)
        splits = 1 if endless else int(most) - least
        return states * times + splits, visits * times + splits


class _Writer:
    """Writes a measured syntax tree from back to front. Each part gets the node that follows it."""

    def __init__(self, nodes: list[_Node], tests: dict[Any, _Test], stateless: set[int]) -> None:
        self._nodes = nodes
        self._tests = tests
        self._stateless = stateless

    def sequence(self, items: Any, after: int) -> int:
        for op, arg in reversed(list(items)):
            after = self._item(op, arg, after)
        return after

    def _item(self, op: Any, arg: Any, after: int) -> int:
        if op is _constants.SUBPATTERN:
            return self.sequence(arg[3], after)
        if op is _constants.BRANCH:
            return self._node(None, False, dict.fromkeys(self.sequence(branch, after) for branch in arg[1]))
        if op in _REPEATS:
            least, most, body = arg
            return after if id(body) in self._stateless else self._repeat(least, most, body, after)
        return self._node(self._tests[_key(op, arg)], op in _SINGLE, [after])

    def _repeat(self, least: int, most: Any, body: Any, after: int) -> int:
        if most is _constants.MAXREPEAT:
            loop = self._node(None, False, [after])
            self._nodes[loop][2].append(self.sequence(body, loop))
            after = loop
        else:
            end = after
            for _ in range(int(most) - least):
                after = self._node(None, False, [end, self.sequence(body, after)])
        for _ in range(least):
            after = self.sequence(body, after)
        return after

    def _node(self, test: _Test | None, takes: bool, after: Iterable[int]) -> int:
        self._nodes.append((test, takes, list(after)))
        return len(self._nodes) - 1


def _key(op: Any, arg: Any) -> Any:
    """Return the identity of a test in its syntax tree."""
    return (op, id(arg)) if isinstance(arg, list) else (op, arg)


def _cost(op: Any, arg: Any) -> int:
    """Estimate the steps that `re` takes to compile a test. Beyond Latin-1, it builds a map of all characters."""
    if op is not _constants.IN:
        return 20
    ranges = [(member, member) if isinstance(member, int) else member for kind, member in arg if kind in _CHARACTERS]
    if all(high <= 0xFF for _, high in ranges):
        return 20 + 2 * len(arg)
    return 1000 + 2 * len(arg) + min(sum(high - low for low, high in ranges), 0x10000) // 20


def _tested(op: Any, arg: Any, flags: int) -> _Test:
    if op is _constants.AT and arg in _ENDS:
        return _at_end
    state = _parser.State()
    state.flags = flags
    compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [(op, arg)]), flags)
    return compiled.match


def _at_end(text: str, at: int) -> bool:
    return at == len(text)
