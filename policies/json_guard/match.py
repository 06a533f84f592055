"""Incremental check of a document against a schema's rules. It is the grammar's watch.

The document is broken at the first character after which some value cannot satisfy the schema in any way. Each schema
is judged separately. For example, it is not noticed that one branch of an `anyOf` needs a member that another schema
forbids. So a document that could be valid is never broken.

Each open value has a frame. A frame has one cell for each schema that applies to the value, however many ways lead to
it. A cell fails by itself, or because no member of a group of cells is alive, or because the cell of its current member
or item is dead. Failures propagate from the innermost frame outwards. When the outermost cell is dead, the document is
broken. Values without schemas have an empty frame. Frames are as deep as the document, and each has at most `MAX_CELLS`
cells. A value with more is not watched.

Work is limited for each character, whatever schema a client sends. A visit of a cell costs one step, and so does each
step of a search among its strings or numbers. Each token and each watched character earns `EARNED` steps. A document
that overdraws is not watched further (`gave_up`). All of this depends on the text only, not on its pieces.
"""

from collections.abc import Callable
from typing import Final

from policies.json_guard.grammar import NUMBER, OBJECT, STRING, Kind
from policies.json_guard.literals import Cursor
from policies.json_guard.nodes import Node
from policies.json_guard.number import Number
from policies.json_guard.schema import Schema
from policies.json_guard.survey import Child

MAX_CELLS: Final = 256
EARNED: Final = 24
_CREDIT = 6_000


class Cell:
    """One schema at one value."""

    __slots__ = ("alive", "child", "cursor", "groups", "met", "node", "number", "ok", "wanted")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.ok = True
        self.alive = True
        self.groups: list[tuple[Cell, ...]] = []
        self.child: Cell | None = None  # of the open member or item
        self.wanted: Child = None  # schema of the member whose name was read
        self.cursor: Cursor | None = None
        self.number: Number | None = None
        self.met: set[str] | None = None  # the required names that were read, if any are required

    def begin(self, kind: Kind) -> None:
        node = self.node
        if not node.kinds & kind:
            self.ok = False
        elif kind == OBJECT:
            self.met = set() if node.required else None
        elif kind == STRING and node.strings is not None:
            self.cursor = Cursor(node.strings)
        elif kind == NUMBER and (node.integer or node.numbers is not None):
            self.number = Number(node.integer, node.numbers)

    def end(self) -> None:
        if (
            (self.met is not None and len(self.met) < len(self.node.required))
            or (self.cursor is not None and self.cursor.exact() is None)
            or (self.number is not None and not self.number.end())
        ):
            self.ok = False

    def begin_name(self) -> None:
        node = self.node
        self.wanted = node.additional
        self.cursor = None if node.names is None else Cursor(node.names)
        if self.cursor is not None and not self.cursor.open():
            self.other_name()

    def end_name(self) -> None:
        if self.cursor is None:
            return
        name = self.cursor.exact()
        self.cursor = None
        members = self.node.members or {}
        if name is not None and name in members:
            self.wanted = members[name]
        elif self.node.closed:
            self.ok = False
        if name is not None and self.met is not None and name in self.node.required:
            self.met.add(name)

    def other_name(self) -> None:
        """Note a name that the schema does not know."""
        self.cursor = None
        self.ok = self.ok and not self.node.closed

    def item(self, at: int) -> Child:
        prefix = self.node.prefix
        return prefix[at] if at < len(prefix) else self.node.items

    def fails(self) -> bool:
        if not self.ok or (self.child is not None and not self.child.alive):
            return True
        for group in self.groups:
            for cell in group:
                if cell.alive:
                    break
            else:
                return True
        return False


class Frame:
    """An open value. `cells` come before the cells of their groups."""

    __slots__ = ("cells", "items", "kind")

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.kind: Kind = 0
        self.items = 0

    def settle(self, pay: Callable[[int], None]) -> bool:
        """Propagate failures between cells. Return true if a cell died.

        Each pass is paid for. Most failures need two passes, and a chain of references needs more.
        """
        died, again = False, True
        while again:
            again = False
            pay(len(self.cells))
            for cell in reversed(self.cells):
                if cell.alive and cell.fails():
                    cell.alive = False
                    died = again = True
        if died:
            self.cells = [cell for cell in self.cells if cell.alive]
        return died


class Matcher:
    """A schema that watches one document. It implements `grammar.Watch`."""

    def __init__(self, schema: Schema) -> None:
        self._nodes = schema.nodes
        self._root = schema.root
        self._top: Cell | None = None
        self._frames: list[Frame] = []
        self._followed: list[Cell] = []  # the cells that follow the characters of the current token
        self._naming = False
        self._credit = _CREDIT
        self.texts = False
        self.digits = False
        self.gave_up = False
        self._spent = False

    def begin(self, kind: Kind) -> bool:
        frame = self._open()
        frame.kind = kind
        self._frames.append(frame)
        self._pay(3 * len(frame.cells), EARNED)
        for cell in frame.cells:
            cell.begin(kind)
        self._naming = False
        if kind == STRING:
            self._follow([cell for cell in frame.cells if cell.cursor is not None])
        elif kind == NUMBER:
            self._followed = [cell for cell in frame.cells if cell.number is not None]
            self.digits = bool(self._followed)
        return self._judge(frame)

    def end(self) -> bool:
        frame = self._frames[-1]
        for cell in frame.cells:
            cell.end()
        possible = self._judge(frame)
        self._frames.pop()
        if frame.cells and self._frames:
            for cell in self._frames[-1].cells:
                cell.child = None
        return possible

    def begin_name(self) -> bool:
        frame = self._frames[-1]
        self._pay(2 * len(frame.cells), EARNED)
        for cell in frame.cells:
            cell.begin_name()
        self._naming = True
        self._follow([cell for cell in frame.cells if cell.cursor is not None])
        return self._judge(frame)

    def end_name(self) -> bool:
        frame = self._frames[-1]
        for cell in frame.cells:
            cell.end_name()
        return self._judge(frame)

    def narrow(self, low: int, high: int) -> bool:
        failed: list[Cell] = []
        cost = 0
        for cell in self._followed:
            cursor = cell.cursor
            if cursor is not None:
                cost += cursor.cost
                if not cursor.narrow(low, high):
                    failed.append(cell)
        self._pay(cost, EARNED)
        return not failed or self._keep(failed)

    def unit(self, code: int) -> bool:
        failed: list[Cell] = []
        cost = 0
        for cell in self._followed:
            cursor = cell.cursor
            if cursor is not None:
                cost += cursor.cost
                if not cursor.push(code):
                    failed.append(cell)
        self._pay(cost, EARNED)
        return not failed or self._keep(failed)

    def digit(self, char: str) -> bool:
        failed: list[Cell] = []
        cost = 0
        for cell in self._followed:
            number = cell.number
            if number is not None:
                cost += number.cost
                if not number.push(char):
                    cell.ok = False
                    failed.append(cell)
        self._pay(cost, EARNED)
        if not failed:
            return True
        self._followed = [cell for cell in self._followed if cell.ok]
        self.digits = bool(self._followed)
        return self._settle()

    # ---- strings
    def _follow(self, cells: list[Cell]) -> None:
        self._followed = cells
        self.texts = bool(cells)

    def _keep(self, failed: list[Cell]) -> bool:
        """Continue with the other cells. A name that failed may still be one of their members."""
        for cell in failed:
            if self._naming:
                cell.other_name()
            else:
                cell.ok = False
                cell.cursor = None
        self._follow([cell for cell in self._followed if cell.cursor is not None])
        return self._settle()

    # ---- frames
    def _open(self) -> Frame:
        """Open the frame of the value that begins."""
        frame = Frame()
        cells: dict[int, Cell] = {}
        if not self._frames:
            if self._root is not None:
                self._top = self._cell(self._root, cells, frame)
        else:
            outer = self._frames[-1]
            self._pay(len(outer.cells))
            for cell in outer.cells:
                wanted = cell.wanted if outer.kind == OBJECT else cell.item(outer.items)
                if wanted is not None and cell.alive:
                    cell.child = self._cell(wanted, cells, frame)
            outer.items += 1
        self._expand(frame, cells)
        return frame

    def _cell(self, number: int, cells: dict[int, Cell], frame: Frame) -> Cell:
        cell = cells.get(number)
        if cell is None:
            cell = cells[number] = Cell(self._nodes[number])
            frame.cells.append(cell)
        return cell

    def _expand(self, frame: Frame, cells: dict[int, Cell]) -> None:
        for cell in frame.cells:  # this list grows meanwhile
            groups = cell.node.groups
            if len(groups) <= MAX_CELLS:
                for group in groups:
                    cell.groups.append(tuple(self._cell(number, cells, frame) for number in group[: MAX_CELLS + 1]))
            if max(len(groups), len(frame.cells)) > MAX_CELLS:
                self._unwatch(frame)
                return

    def _pay(self, visits: int, earned: int = 0) -> None:
        self._credit = min(self._credit + earned, _CREDIT) - visits
        if self._credit < 0 and not self._spent:
            self._spent = self.gave_up = True
            self._root = self._top = None
            self._follow([])
            self.digits = False
            for frame in self._frames:
                frame.cells = []

    def _unwatch(self, frame: Frame) -> None:
        self.gave_up = True
        self._pay(len(frame.cells))
        frame.cells = []
        if not self._frames:
            self._top = None
        for outer in self._frames[-1:]:
            for cell in outer.cells:
                cell.child = None

    def _judge(self, frame: Frame) -> bool:
        """Do the same as `_settle`, but for free if no cell of the frame failed."""
        for cell in frame.cells:
            if cell.alive and not cell.ok:
                return self._settle()
        return True

    def _settle(self) -> bool:
        """Propagate failures outwards after a cell failed. Return true if the document can still be valid."""
        for frame in reversed(self._frames):
            if not frame.settle(self._pay):
                return True
        return self._top is None or self._top.alive
