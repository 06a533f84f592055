"""A JSON schema, made ready for the stream: a table of nodes that point to each other by number.

Rules. JSON Schema 2020-12, self-contained. What the stream can decide is `type`, `enum`, `const`, `properties`,
`required`, `additionalProperties`, `items`, `prefixItems`, `$ref`, `allOf`, `anyOf` and `oneOf` (as `anyOf`: that two
branches hold is not held against an answer); other keywords are let be here. A schema that is not well-formed, refers
to another document or is too large is refused with `SchemaError`.

A node's number is None where everything is allowed. References are edges of the table, so recursion costs nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from policies.json_guard import keywords
from policies.json_guard.grammar import ARRAY, FALSE, NULL, NUMBER, OBJECT, STRING, TRUE
from policies.json_guard.literals import Literals, in_units
from policies.json_guard.number import Target, target

MOST_SCHEMAS: Final = 5000
MOST_LITERALS: Final = 20_000
"""How many schemas, and how many values of all `enum`s, one schema may hold."""

MOST_NUMBERS: Final = 64
"""The numbers of an `enum` with more than these are not followed on the stream."""

_ANY = OBJECT | ARRAY | STRING | NUMBER | TRUE | FALSE | NULL
_TYPES = {
    "object": OBJECT,
    "array": ARRAY,
    "string": STRING,
    "number": NUMBER,
    "integer": NUMBER,
    "boolean": TRUE | FALSE,
    "null": NULL,
}

_NEVER: Final[Mapping[str, Any]] = {"enum": []}
"""What the schema `false` means."""

Child: TypeAlias = int | None


class SchemaError(Exception):
    """A schema that cannot be used; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    """What one schema says of a value itself. `groups` are nodes of which one each must hold of the same value.

    `names` are those that a cursor follows; an object is `closed` when it may have none but `members`.
    """

    kinds: int = _ANY
    integer: bool = False
    strings: Literals | None = None
    numbers: tuple[Target, ...] | None = None
    members: Mapping[str, Child] | None = None
    names: Literals | None = None
    closed: bool = False
    additional: Child = None
    required: frozenset[str] = frozenset()
    prefix: tuple[Child, ...] = ()
    items: Child = None
    groups: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that can be used. `patterns` are the regular expressions in it."""

    nodes: tuple[Node, ...]
    root: Child
    source: Any
    patterns: frozenset[str]


def compile_schema(source: Any) -> Schema:
    """Raises `SchemaError`."""
    if not isinstance(source, dict | bool):
        raise SchemaError("the schema must be an object")
    compiler = _Compiler(source)
    root = compiler.child(source, "")
    compiler.run()
    return Schema(tuple(compiler.nodes), root, source, frozenset(compiler.patterns))


class _Compiler:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._places: dict[int, int] = {}  # id of a schema -> number of its node
        self._found: list[tuple[Mapping[str, Any], str]] = []
        self._literals = 0
        self.nodes: list[Node] = []
        self.patterns: set[str] = set()

    def child(self, schema: Any, path: str) -> Child:
        """The number of a schema, which is compiled in its turn."""
        if schema is True or schema == {}:
            return None
        key = id(schema)
        if key not in self._places:
            if len(self._found) == MOST_SCHEMAS:
                raise SchemaError(f"it holds more than {MOST_SCHEMAS} schemas: send a smaller one")
            self._places[key] = len(self._found)
            self._found.append((_NEVER if schema is False else schema, path))
        return self._places[key]

    def run(self) -> None:
        while len(self.nodes) < len(self._found):
            schema, path = self._found[len(self.nodes)]
            if schema is not _NEVER:
                self._check(schema, path)
            self.nodes.append(self._node(schema, path))

    def _check(self, schema: Mapping[str, Any], path: str) -> None:
        found = keywords.fault(schema)
        if found is not None:
            raise SchemaError(f"{_place(path, found[0])} must be {found[1]}")
        for keyword in ("$id", "$schema"):
            if path and keyword in schema:
                raise SchemaError(f"{_place(path, keyword)} must be left out: only the whole schema may have one")
        if "pattern" in schema:
            self.patterns.add(schema["pattern"])
        self.patterns.update(schema.get("patternProperties", ()))
        self._literals += len(schema.get("enum", ()))
        if self._literals > MOST_LITERALS:
            raise SchemaError(f"its enums hold more than {MOST_LITERALS} values: send a smaller one")
        for place, item in keywords.subschemas(schema):
            self.child(item, f"{path}/{place}")

    def _node(self, schema: Mapping[str, Any], path: str) -> Node:
        kinds, integer = _types(schema)
        strings, numbers = None, None
        for values in _allowed(schema):
            found, texts, targets = _literals(values)
            kinds &= found
            strings = texts if strings is None else strings & texts
            if targets is not None:
                numbers = targets if numbers is None else numbers & targets
        members = {in_units(name): self.child(item, path) for name, item in schema.get("properties", {}).items()}
        required = frozenset(map(in_units, schema.get("required", ())))
        closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
        names = members.keys() if closed else members.keys() | required
        return Node(
            kinds=kinds,
            integer=integer,
            strings=None if strings is None else Literals(strings),
            numbers=None if numbers is None else tuple(numbers),
            members=members,
            names=Literals(names) if names or closed else None,
            closed=closed,
            additional=self._additional(schema, path),
            required=required,
            prefix=tuple(self.child(item, path) for item in schema.get("prefixItems", ())),
            items=self.child(schema.get("items", True), path),
            groups=tuple(self._groups(schema, path)),
        )

    def _additional(self, schema: Mapping[str, Any], path: str) -> Child:
        if schema.get("patternProperties"):
            return None
        return self.child(schema.get("additionalProperties", True), path)

    def _groups(self, schema: Mapping[str, Any], path: str) -> Iterable[tuple[int, ...]]:
        if "$ref" in schema:
            found = self.child(self._resolve(schema["$ref"], path), schema["$ref"][1:])
            if found is not None:
                yield (found,)
        for item in schema.get("allOf", ()):
            found = self.child(item, path)
            if found is not None:
                yield (found,)
        for keyword in ("anyOf", "oneOf"):
            branches = [self.child(item, path) for item in schema.get(keyword, ())]
            known = tuple(branch for branch in branches if branch is not None)
            if branches and len(known) == len(branches):
                yield known

    def _resolve(self, ref: str, path: str) -> Any:
        value = self._root
        for step in ref[1:].split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                raise SchemaError(f"{_place(path, '$ref')} refers to nothing: define it under $defs")
        if not isinstance(value, dict | bool):
            raise SchemaError(f"{_place(path, '$ref')} must refer to a schema")
        return value


def _place(path: str, keyword: str) -> str:
    return f"{path}/{keyword}".lstrip("/")


def _types(schema: Mapping[str, Any]) -> tuple[int, bool]:
    if "type" not in schema:
        return _ANY, False
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kinds = 0
    for name in types:
        kinds |= _TYPES[name]
    return kinds, "integer" in types and "number" not in types


def _allowed(schema: Mapping[str, Any]) -> Iterable[list[Any]]:
    if "enum" in schema:
        yield schema["enum"]
    if "const" in schema:
        yield [schema["const"]]


def _literals(values: Iterable[Any]) -> tuple[int, set[str], set[Target] | None]:
    """The kinds of these values, the strings and the numbers among them (None: any number may be one)."""
    kinds = 0
    texts: set[str] = set()
    numbers: list[int | float] = []
    for value in values:
        match value:
            case bool():
                kinds |= TRUE if value else FALSE
            case None:
                kinds |= NULL
            case str():
                kinds |= STRING
                texts.add(in_units(value))
            case int() | float():
                kinds |= NUMBER
                numbers.append(value)
            case dict():
                kinds |= OBJECT
            case _:
                kinds |= ARRAY
    return kinds, texts, _targets(numbers)


def _targets(numbers: list[int | float]) -> set[Target] | None:
    if len(numbers) > MOST_NUMBERS:
        return None
    try:
        return set(map(target, numbers))
    except ValueError:
        return None
