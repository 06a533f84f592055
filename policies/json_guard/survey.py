"""All schemas within a schema: numbered, well-formed, and of limited size.

The dialect is JSON Schema 2020-12, self-contained. A schema that is not well-formed, refers to another document or is
too large is rejected with a `SchemaError` that names the place. Places are links to the schema around them, so that a
long name is not copied for each schema below it.

A schema's number is None if it allows everything. Equal schemas have different numbers. A referenced schema has one
number for all references.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from policies.json_guard import keywords
from policies.json_guard.pace import Pace
from policies.steps import Steps

MAX_SCHEMAS: Final = 5000
MAX_LITERALS: Final = 20_000
"""Maximum number of schemas in one schema, and of values in all its `enum`s."""

MAX_NAMES: Final = 20_000
"""Maximum number of members and items in the objects and lists of all other keywords."""

MAX_TEXT: Final = 200_000
"""Maximum number of characters in all names and in all strings of `enum` and `const`."""

MAX_KEYWORDS: Final = 1000
MAX_REFERENCE: Final = 2000
_MAX_STEP = 40
_MAX_PLACE = 100

NEVER: Final[Mapping[str, Any]] = {"enum": []}
"""The meaning of the schema `false`."""

Child: TypeAlias = int | None


class SchemaError(Exception):
    """A schema that cannot be used. The message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a schema: `steps` below the place around it, or below the schema's root."""

    around: "Place | None"
    steps: tuple[str | int, ...]

    def below(self, *steps: str | int) -> "Place":
        return Place(self, steps)

    def __str__(self) -> str:
        steps: list[str | int] = []
        place: Place | None = self
        while place is not None:
            steps = [*place.steps, *steps]
            place = place.around
        return shown(steps)


def shown(steps: list[str | int]) -> str:
    """Format steps into a schema as a text of about a hundred characters."""
    text = "/".join(_shortened(step.removeprefix("#/") if isinstance(step, str) else str(step)) for step in steps)
    return text if len(text) <= _MAX_PLACE else f"{text[: _MAX_PLACE // 2]}…{text[-_MAX_PLACE // 2 :]}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_STEP else f"{text[:_MAX_STEP]}…"


class Survey:
    """The schemas found so far, by number. `root` is the whole schema.

    `targets` are those of references, by the number of the schema that refers. `patterns` are the regular expressions,
    each with a place where it stands.
    """

    def __init__(self, source: Any, pace: Pace) -> None:
        if not isinstance(source, dict | bool):
            raise SchemaError("the schema must be an object")
        self.schemas: list[Mapping[str, Any]] = []
        self.places: list[Place] = []
        self.targets: dict[int, Child] = {}
        self.patterns: dict[str, Place] = {}
        self._source = source
        self._pace = pace
        self._numbers: dict[int, int] = {}  # a schema's number by its id()
        self._literals = self._names = self._text = 0
        self.root = self._found(source, Place(None, ()))

    def child(self, schema: Any) -> Child:
        """Return the number of a schema that was found."""
        return None if _allows_all(schema) else self._numbers[id(schema)]

    def steps(self) -> Steps[None]:
        """Find all schemas. Raises `SchemaError`."""
        number = 0
        while number < len(self.schemas):
            schema, self._pace.place = self.schemas[number], self.places[number]
            if schema is not NEVER:
                yield from self._look(number, schema, self.places[number])
            number += 1
            if self._pace.due():
                yield

    def _found(self, schema: Any, place: Place) -> Child:
        if _allows_all(schema):
            return None
        key = id(schema)
        if key not in self._numbers:
            if len(self.schemas) == MAX_SCHEMAS:
                raise SchemaError(f"it holds more than {MAX_SCHEMAS} schemas: send a smaller one")
            self._numbers[key] = len(self.schemas)
            self.schemas.append(NEVER if schema is False else schema)
            self.places.append(place)
        return self._numbers[key]

    def _look(self, number: int, schema: Mapping[str, Any], place: Place) -> Steps[None]:
        if len(schema) > MAX_KEYWORDS:
            raise SchemaError(f"{place} has more than {MAX_KEYWORDS} keywords: send a smaller one")
        self._count(schema)
        found = keywords.fault(schema)
        if found is not None:
            raise SchemaError(f"{place.below(found[0])} must be {found[1]}")
        for keyword in ("$id", "$schema"):
            if keyword in schema and schema is not self._source:
                raise SchemaError(f"{place.below(keyword)} must be left out: only the whole schema may have one")
        self._measure(schema)
        for keyword, step, item in keywords.subschemas(schema):
            self._pace.spend(2)
            self._found(item, place.below(keyword) if step is None else place.below(keyword, step))
            if self._pace.due():
                yield
        for pattern in (schema.get("pattern"), *schema.get("patternProperties", ())):
            if pattern is not None:
                self.patterns.setdefault(pattern, place.below("pattern"))
        if "$ref" in schema:
            self.targets[number] = self._found(self._resolve(schema["$ref"], place), Place(None, (schema["$ref"],)))

    def _count(self, schema: Mapping[str, Any]) -> None:
        """Count the items that the checks of the keywords will examine."""
        before = self._literals + self._names
        self._literals += keywords.width(schema, ("enum",))
        self._names += keywords.width(schema, keywords.SIZED)
        if self._literals > MAX_LITERALS:
            raise SchemaError(f"its enums hold more than {MAX_LITERALS} values: send a smaller one")
        if self._names > MAX_NAMES:
            raise SchemaError(f"its lists and objects hold more than {MAX_NAMES} names and schemas: send a smaller one")
        self._pace.spend(10 + len(schema) + self._literals + self._names - before)

    def _measure(self, schema: Mapping[str, Any]) -> None:
        self._text += sum(map(len, keywords.texts(schema)))
        if self._text > MAX_TEXT:
            raise SchemaError(f"its names and values have more than {MAX_TEXT} characters: send a smaller one")

    def _resolve(self, ref: str, place: Place) -> Any:
        if len(ref) > MAX_REFERENCE:
            raise SchemaError(f"{place.below('$ref')} has more than {MAX_REFERENCE} characters: use a shorter name")
        self._pace.spend(len(ref) >> 3)
        value: Any = self._source
        for step in ref[1:].split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                raise SchemaError(f"{place.below('$ref')} refers to nothing: define it under $defs")
        if not isinstance(value, dict | bool):
            raise SchemaError(f"{place.below('$ref')} must refer to a schema")
        return value


def _allows_all(schema: Any) -> bool:
    return schema is True or schema == {}
