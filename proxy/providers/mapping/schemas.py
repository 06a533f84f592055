"""JSON schemas of a request, made ready for LiteLLM's mapping, which multiplies what it is given.

For some providers LiteLLM puts a copy of a definition in the place of each reference to it. A chain of definitions,
each with two references to the next, doubles at every step: two kilobytes become gigabytes. It copies the members of a
schema for each of its types, and a description for each branch of an `anyOf`, with the same effect.

Rule: each value of a schema is counted, with its bytes, before a copy of it is made. References are followed here, so
that LiteLLM finds none. What LiteLLM still multiplies is computed first. Beyond the bounds the request is refused, and
the refusal names the schema.

Decisions, as in LiteLLM: a reference is known by the last part of its path, and inner definitions come before outer
ones. A reference to a definition that is being followed stays as it is. Data (`enum`, `const`, `default`, `examples`)
holds no references.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from policies.work import OverBudget, Work
from proxy.providers.mapping.content import fault
from proxy.providers.mapping.weighing import SCALAR, weighed

MAX_VALUES: Final = 100_000
"""Values in all schemas of a request, references followed."""

MAX_BYTES: Final = 8 * 2**20
"""Bytes of text in all schemas of a request, references followed."""

MAX_DEPTH: Final = 200
"""Levels of nesting in a schema, references followed. The encoder takes 254."""

STEPS: Final = 10
"""Steps of the request's budget for each value: LiteLLM walks over a schema about ten times."""

BYTES_PER_STEP: Final = 8
"""Bytes of text that are copied and encoded in one step."""

_DEFINITIONS = ("$defs", "definitions")
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "example", "examples"})
_COPIED_FOR_A_TYPE = frozenset(
    {"properties", "required", "additionalProperties", "items", "minItems", "maxItems"}
    | {"minProperties", "maxProperties"}
)
Schema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The definitions that a reference at some place can mean, inner before outer, and those being followed there."""

    own: Mapping[str, Any]
    around: "_Scope | None" = None
    following: frozenset[str] = frozenset()

    def within(self, schema: Mapping[str, Any]) -> "_Scope":
        """The scope inside of `schema`."""
        scope = self
        for member in _DEFINITIONS:
            if isinstance(own := schema.get(member), Mapping):
                scope = _Scope(own, scope, self.following)
        return scope

    def find(self, name: str) -> Any:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.own:
                return scope.own[name]
            scope = scope.around
        return None


@dataclass(slots=True)
class Schemas:
    """The schemas of one request. Counts what is left of the bounds. `recursive` tells of the schema that was inlined
    last whether a reference stayed in it, because it leads to itself."""

    work: Work
    values: int = MAX_VALUES
    size: int = MAX_BYTES
    recursive: bool = False
    _where: str = ""

    def inlined(self, schema: Mapping[str, Any], where: str, further: Mapping[str, Any] | None = None) -> Schema:
        """A copy of `schema` with its definitions, or `further` ones, in place of the references to them. Raises
        `InvalidRequest` and `OverBudget`."""
        self._where, self.recursive = where, False
        made: Schema = self._schema(schema, _Scope(further or {}), 0)
        return made

    def for_gemini(self, schema: Mapping[str, Any], where: str) -> Schema:
        """The same, and what LiteLLM's mapping to Gemini's schemas will make of it is counted, too."""
        values, size = self.values, self.size
        made = self.inlined(schema, where)
        all_values, all_bytes = _mapped(made, 0)
        self._take(max(0, all_values - (values - self.values)), max(0, all_bytes - (size - self.size)))
        return made

    def _schema(self, value: Any, scope: _Scope, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._object(value, scope, depth)
        if isinstance(value, list):
            self._enter(depth)
            return [self._schema(item, scope, depth + 1) for item in value]
        return self._scalar(value)

    def _object(self, schema: Mapping[str, Any], scope: _Scope, depth: int) -> Any:
        self._enter(depth)
        scope = scope.within(schema)
        if isinstance(ref := schema.get("$ref"), str):
            name = ref.rpartition("/")[2]
            target = scope.find(name)
            if name in scope.following:
                self.recursive = True
            elif target is not None:
                following = scope.following | {name}
                return self._schema(target, _Scope(scope.own, scope.around, following), depth + 1)
            return self._data({name: item for name, item in schema.items() if name not in _DEFINITIONS}, depth)
        return {
            name: self._member(name, value, scope, depth + 1)
            for name, value in schema.items()
            if not (name in _DEFINITIONS and isinstance(value, Mapping))
        }

    def _member(self, name: str, value: Any, scope: _Scope, depth: int) -> Any:
        self._take(0, len(name))
        if name in _DATA:
            return self._data(value, depth)
        if name in _BY_NAME and isinstance(value, Mapping):
            self._enter(depth)
            self._take(0, sum(map(len, value)))
            return {each: self._schema(schema, scope, depth + 1) for each, schema in value.items()}
        return self._schema(value, scope, depth)

    def _data(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            self._enter(depth)
            self._take(0, sum(map(len, value)))
            return {name: self._data(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            self._enter(depth)
            return [self._data(item, depth + 1) for item in value]
        return self._scalar(value)

    def _scalar(self, value: Any) -> Any:
        self._take(1, len(value) if isinstance(value, str) else SCALAR)
        return value

    def _enter(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            problem = f"is nested deeper than {MAX_DEPTH} levels when its references are followed: flatten it."
            raise fault(self._where, problem)
        self._take(1, SCALAR)

    def _take(self, values: int, size: int) -> None:
        self.values -= values
        self.size -= size
        if self.values < 0 or self.size < 0:
            raise OverBudget(self._where)
        self.work.spend(STEPS * values + size // BYTES_PER_STEP, self._where)


def _mapped(schema: Any, told: int) -> tuple[int, int]:
    """Values and bytes of what LiteLLM makes of a schema for Gemini. `told` are the bytes of the title and description
    that the schema gets from the one around it. Changes what would take LiteLLM long: `type` names each type once, and
    `anyOf` has one branch for null."""
    if not isinstance(schema, dict):
        return weighed(schema)
    types = _types(schema)
    told += sum(weighed(schema[name])[1] for name in ("title", "description") if name in schema)
    values, size = 1, SCALAR + len(types) * told
    for name, value in schema.items():
        if name == "properties" and isinstance(value, dict):
            counts = [(1, len(each)) for each in value] + [_mapped(each, 0) for each in value.values()]
        elif name == "anyOf" and isinstance(value, list):
            value[:] = _one_null(value)
            counts = [(1, told) for _ in value] + [_mapped(each, told) for each in value]
        else:
            counts = [_mapped(value, 0) if name == "items" else weighed(value)]
        copies = _copies(types) if name in _COPIED_FOR_A_TYPE else 1
        values += copies * sum(count for count, _ in counts)
        size += copies * sum(count for _, count in counts) + len(name)
    return values, size


def _types(schema: Schema) -> list[str]:
    """The types of which LiteLLM makes an `anyOf`."""
    types = schema.get("type")
    if not isinstance(types, list):
        return []
    schema["type"] = unique = list(dict.fromkeys(name for name in types if isinstance(name, str)))
    return unique if len(unique) > 1 else []


def _copies(types: list[str]) -> int:
    """How many of an object's or array's members LiteLLM makes."""
    return max(1, len({"object", "array"}.intersection(types)))


def _one_null(branches: list[Any]) -> list[Any]:
    nulls = [i for i, each in enumerate(branches) if isinstance(each, dict) and each.get("type") == "null"]
    later = frozenset(nulls[1:])
    return [each for i, each in enumerate(branches) if i not in later]
