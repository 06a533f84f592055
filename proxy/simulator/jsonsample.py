"""Sample values for a JSON schema, for JSON answers and tool arguments.

They are deterministic, finite, and valid for the schemas that clients commonly send (objects, arrays, enums, `anyOf`,
`$ref`, and Gemini's upper-case types). Strings are sentences of the answer's text, so that policies find the same in
JSON as in prose.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

_MAX_DEPTH = 12


def sample(schema: Mapping[str, Any], text: str) -> Any:
    """Return a value that the schema allows. Its strings are sentences of `text`."""
    sentences = [part for part in re.split(r"(?<=[.。!?:])\s*", text) if part] or ["sample"]
    if not schema:
        return {"answer": text}
    return _Sampler(schema, cycle(sentences)).value(schema, 0)


class _Sampler:
    def __init__(self, root: Mapping[str, Any], sentences: Iterator[str]) -> None:
        self._root = root
        self._sentences = sentences

    def value(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return None
        match schema:
            case {"$ref": str(ref)}:
                return self.value(self._resolve(ref), depth + 1)
            case {"const": constant}:
                return constant
            case {"enum": [first, *_]}:
                return first
            case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
                return self.value(first, depth + 1)
        return self._typed(schema, depth)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = str(kind[0] if isinstance(kind, list) and kind else kind).lower()
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                count = max(1, min(int(schema.get("minItems", 1)), 20))
                return [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]
            case "integer":
                return int(schema.get("minimum", 42))
            case "number":
                return schema.get("minimum", 4.2)
            case "boolean":
                return True
            case "null":
                return None
        return next(self._sentences)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        wanted = schema.get("required", []) if depth > _MAX_DEPTH // 2 else properties
        return {name: self.value(properties.get(name, {}), depth + 1) for name in wanted}

    def _resolve(self, ref: str) -> Any:
        """Follow a reference inside the schema (`#/$defs/name`)."""
        place: Any = self._root
        for step in ref.removeprefix("#").strip("/").split("/"):
            place = place.get(step) if isinstance(place, Mapping) and step else place
        return place
