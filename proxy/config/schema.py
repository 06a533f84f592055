"""The JSON Schema of the configuration, for editors: made from the models, the policies' own included.

Rule: what `load` takes passes here, however it is written; what only reading the file can tell (that a name refers to
something, that a pattern can be compiled) is left to `load`. So wherever the models want more than just text, a text
with `${NAME}` in it is right too: what comes of it is known when the environment is.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from policies.base import PolicyType
from proxy.config.descriptions import describe
from proxy.config.models import Config
from proxy.config.providers import LITELLM_OPTIONS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_REFERENCE: Final = {"$ref": "#/$defs/Reference"}
_REFERENCE_SCHEMA: Final = {
    "description": "from the environment: ${NAME}, or ${NAME:-default}",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
}
_BOUNDS: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_ONE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "Model": ("target", "targets"),
    "Key": ("key", "sha256"),
    "RuleConfig": ("entity", "words", "words_file", "regex"),
}
"""Models of whose keys one must be there."""
_BESIDE: Final = ("description", "default")
_NOISE: Final = ("title", "writeOnly")

Schema = dict[str, Any]


def config_schema(types: Mapping[str, PolicyType]) -> Schema:
    """The schema of a configuration whose policies are of these types (the registry's rows by name)."""
    kinds: dict[str, type[BaseModel]] = {name: kind.config for name, kind in types.items()}
    models: list[type[BaseModel]] = [Config, *kinds.values()]
    refs, made = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Schema] = made["$defs"]
    for model in _models(*models):
        _describe(model, definitions[model.__name__])
    definitions = {name: _taking_references(schema) for name, schema in definitions.items()}
    definitions["Provider"]["properties"]["options"]["propertyNames"] = {"enum": sorted(LITELLM_OPTIONS)}
    for name, keys in _ONE_OF.items():
        if name in definitions:
            definitions[name]["anyOf"] = [{"required": [key]} for key in keys]
    definitions["Reference"] = _REFERENCE_SCHEMA
    top = definitions.pop("Config")
    top["properties"]["policies"] |= {
        "patternProperties": {
            f"^{name}/{_NAME}$": _policy(model, refs[model, "validation"]) for name, model in kinds.items()
        },
        "additionalProperties": False,
    }
    return {"$schema": DIALECT, "title": "Sluice's configuration", **top, "$defs": dict(sorted(definitions.items()))}


def _policy(model: type[BaseModel], ref: Schema) -> Schema:
    """A policy's value; it may be left empty where all of it has a default."""
    try:
        model.model_validate({})
    except ValidationError:
        return ref
    return {"anyOf": [ref, {"type": "null"}]}


def _models(*models: type[BaseModel]) -> list[type[BaseModel]]:
    """The models, and those within them."""
    found: list[type[BaseModel]] = []
    waiting: list[Any] = list(models)
    while waiting:
        annotation = waiting.pop(0)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in found:
                found.append(annotation)
                waiting += [field.annotation for field in annotation.model_fields.values()]
        else:
            waiting += getattr(annotation, "__args__", ())
    return found


def _describe(model: type[BaseModel], schema: Schema) -> None:
    schema.pop("description", None)  # the docstring is for those who read the code
    for name, member in schema["properties"].items():
        if said := describe(model, name):
            member["description"] = said


def _taking_references(schema: Any) -> Any:
    """The schema, with text from the environment allowed wherever more than just text is wanted."""
    if isinstance(schema, list):
        return [_taking_references(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        members = {name: _taking_references(member) for name, member in schema["properties"].items()}
        return {**_tidied(schema), "properties": members}
    tidy = {key: value if key in _BESIDE else _taking_references(value) for key, value in _tidied(schema).items()}
    if not _is_narrow(tidy):
        return tidy
    beside = {key: tidy.pop(key) for key in _BESIDE if key in tidy}
    return {**beside, "anyOf": [tidy, _REFERENCE]}


def _tidied(schema: Schema) -> Schema:
    return {_BOUNDS.get(key, key): value for key, value in schema.items() if key not in _NOISE}


def _is_narrow(schema: Schema) -> bool:
    """Whether a text may be wrong for it that would be right once the environment's values are put in."""
    if schema.get("type") in ("integer", "number", "boolean") or "enum" in schema or "const" in schema:
        return True
    return schema.get("type") == "string" and any(key in schema for key in ("pattern", "minLength", "maxLength"))


def written(schema: Schema) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
