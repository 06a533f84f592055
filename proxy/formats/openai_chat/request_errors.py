"""The refusals of a request's fields, worded and coded as OpenAI words and codes them."""

from typing import Any

from proxy.errors import InvalidRequest

_MAX_SHOWN = 64


def missing(param: str) -> InvalidRequest:
    """A field that must be there is not."""
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, value: Any) -> InvalidRequest:
    """A field's JSON type is wrong; `expected` is such as "an integer"."""
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return InvalidRequest(message, param=param, code="invalid_type")


def wrong_value(param: str, why: str, code: str = "invalid_value") -> InvalidRequest:
    """A field's value is wrong; `why` is the rest of a sentence that begins with the field."""
    return InvalidRequest(f"Invalid '{param}': {why}", param=param, code=code)


def shown(value: str) -> str:
    """A client's text, cut, for an error message to that client."""
    return repr(value if len(value) <= _MAX_SHOWN else f"{value[:_MAX_SHOWN]}…")


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
