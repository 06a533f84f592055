"""Plain data -> frozen models, and pydantic's errors in the words of people who write YAML.

Rule: no message holds the value that is wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from policies.base import Misconfigured
from proxy.config.names import did_you_mean
from proxy.config.problems import MAX_FAULTS, ConfigIssue, Path

M = TypeVar("M", bound=BaseModel)

_SEVERAL = (Union, UnionType, Annotated)

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number that is not so large",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "too_short": "must not be empty",
    "tuple_type": "must be a list, such as [a, b]",
    "list_type": "must be a list, such as [a, b]",
    "dict_type": "must be a mapping of `key: value` lines",
    "model_type": "must be a mapping of `key: value` lines",
}


def validate(
    model: type[M], data: Any, at: Path = (), context: Mapping[str, Any] | None = None
) -> tuple[M | None, list[ConfigIssue]]:
    """The model of some data that stands at a path of the file, or all that is wrong with it. `context` is what the
    model's validators may know beside it."""
    try:
        return model.model_validate(data, context=context), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
        told = [detail for detail in details if not _follows(detail, details)]
        return None, [fault for detail in told for fault in _faults(model, detail, at)]


def _follows(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because what is in it is wrong: pydantic counts valid items."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(d["loc"][: len(place)] == place and d is not detail for d in details)


def _faults(model: type[BaseModel], detail: ErrorDetails, at: Path) -> list[ConfigIssue]:
    inner: Path = tuple(detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = _fields(model, inner[:-1])
        return [ConfigIssue((*at, *inner), f"unknown key{did_you_mean(str(inner[-1]), known)}", "key")]
    several = detail.get("ctx", {}).get("error")
    if isinstance(several, Misconfigured):
        return [ConfigIssue((*at, *inner, *below), message) for below, message in several.faults]
    return [ConfigIssue((*at, *inner), _message(detail))]


def _message(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    return _WORDS.get(kind) or detail["msg"].replace("Input should", "must").replace("String should", "must")


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that may stand at a path below a model."""
    here: list[Any] = [model]
    for part in path:
        here = [found for annotation in here for found in _below(annotation, part)]
    models = [found for annotation in here for found in _models(annotation)]
    return list(dict.fromkeys(name for found in models for name in found.model_fields))


def _below(annotation: Any, part: str | int) -> Iterator[Any]:
    """The types that a type allows for its member `part`."""
    if _is_model(annotation):
        if part in annotation.model_fields:
            yield annotation.model_fields[part].annotation
        return
    for argument in get_args(annotation):
        if get_origin(annotation) in _SEVERAL:
            yield from _below(argument, part)
        else:
            yield argument


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if _is_model(annotation):
        yield annotation
    elif get_origin(annotation) in _SEVERAL:
        for argument in get_args(annotation):
            yield from _models(argument)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
