"""A request's JSON object -> `ClientRequest`, or a refusal that names the field.

Rule: checked is what Sluice, its policies or a provider's mapping rely on. Fields that nobody here knows survive
untouched (`top_k`, `chat_template_kwargs`, …); fields that belong to the operator are refused
(`proxy.formats.openai_chat.reserved`). The object is read, never changed.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from policies.steps import Steps
from proxy.config.names import model_name_fault
from proxy.errors import InvalidRequest
from proxy.formats.openai_chat.messages import check_messages
from proxy.formats.openai_chat.request_errors import missing, shown, wrong_type, wrong_value
from proxy.formats.openai_chat.reserved import reserved
from proxy.formats.operation import ClientRequest

MAX_CHOICES = 128
MAX_TOOLS = 128
MAX_STOPS = 16
MAX_FIELDS = 256

Check: TypeAlias = Callable[[str, Any], None]


def validate(body: dict[str, Any]) -> Steps[ClientRequest]:
    """Check a request's body. Raises `InvalidRequest` for the first thing that is wrong with it."""
    model = named_model(body, "messages")
    yield from check_messages(body["messages"])
    check_fields(body, _CHECKS)
    stream, include_usage = stream_and_usage(body)
    return ClientRequest(
        body=body,
        model=model,
        stream=stream,
        include_usage=include_usage,
        n=body.get("n") or 1,
        json_answer=(body.get("response_format") or {}).get("type") in ("json_object", "json_schema"),
    )


def named_model(body: Mapping[str, Any], *needed: str) -> str:
    """The model that a body names, once its members are known to be few, allowed and to have the `needed` ones. Raises
    `InvalidRequest`."""
    if len(body) > MAX_FIELDS:
        raise InvalidRequest(f"The body has more than {MAX_FIELDS} fields: send fewer.", code="invalid_body")
    _check_reserved(body)
    model = _model(body)
    for name in needed:
        if name not in body:
            raise missing(name)
    return model


def stream_and_usage(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether a checked body asks for a stream, and for the usage chunk at its end. Raises `InvalidRequest` for
    options of a stream that is not asked for."""
    stream, options = body.get("stream") or False, body.get("stream_options")
    if options is not None and not stream:
        raise wrong_value("stream_options", "only allowed when 'stream' is true.")
    return stream, bool(options and options.get("include_usage"))


def check_fields(body: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    """Hold members of a body that are there and not null against their checks. Raises `InvalidRequest`."""
    for name, check in checks.items():
        value = body.get(name)
        if value is not None:
            check(name, value)


def _check_reserved(body: Mapping[str, Any]) -> None:
    refused = reserved(body)
    if refused:
        raise InvalidRequest(
            f"The field {shown(refused[0])} cannot be set by a request: "
            "leave it out; what it steers is set in the gateway's configuration.",
            param=refused[0][:128],
            code="unsupported_parameter",
        )


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if model is None:
        raise missing("model")
    if not isinstance(model, str):
        raise wrong_type("model", "a string", model)
    fault = model_name_fault(model)
    if fault:
        raise wrong_value("model", f"{shown(model)} {fault}. GET /v1/models lists the models.")
    return model


# ---- checks of one field each
def is_boolean(name: str, value: Any) -> None:
    """Check that a field is true or false."""
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)


def is_string(name: str, value: Any) -> None:
    """Check that a field is a text."""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)


def is_integer(least: int | None = None, most: int | None = None) -> Check:
    """A check that a field is a whole number of a range."""

    def check(name: str, value: Any) -> None:
        if type(value) is not int:
            raise wrong_type(name, "an integer", value)
        _check_range(name, value, least, most, "integer")

    return check


def is_number(least: float, most: float) -> Check:
    """A check that a field is a number of a range."""

    def check(name: str, value: Any) -> None:
        if type(value) not in (int, float):
            raise wrong_type(name, "a number", value)
        _check_range(name, value, least, most, "decimal")

    return check


def _check_range(name: str, value: float, least: float | None, most: float | None, kind: str) -> None:
    if least is not None and value < least:
        raise wrong_value(name, f"{kind} below minimum value. Expected a value >= {least}.", f"{kind}_below_min_value")
    if most is not None and value > most:
        raise wrong_value(name, f"{kind} above maximum value. Expected a value <= {most}.", f"{kind}_above_max_value")


def is_stop(name: str, value: Any) -> None:
    """Check that a field is a text or a few texts."""
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise wrong_type(name, "a string or an array of strings", value)
    _check_length(name, value, MAX_STOPS)
    for index, stop in enumerate(value):
        is_string(f"{name}[{index}]", stop)


def is_stream_options(name: str, value: Any) -> None:
    """Check the options of a stream."""
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    asked = value.get("include_usage")
    if asked is not None:
        is_boolean(f"{name}.include_usage", asked)


def _tools(name: str, value: Any) -> None:
    _check_objects(name, value)
    for index, tool in enumerate(value):
        kind = tool.get("type")
        if kind is None:
            raise missing(f"{name}[{index}].type")
        is_string(f"{name}[{index}].type", kind)
        if kind == "function":
            _function(f"{name}[{index}].function", tool.get("function"))


def _functions(name: str, value: Any) -> None:
    _check_objects(name, value)
    for index, function in enumerate(value):
        _function(f"{name}[{index}]", function)


def _function(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    if value.get("name") is None:
        raise missing(f"{name}.name")
    is_string(f"{name}.name", value["name"])
    parameters = value.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise wrong_type(f"{name}.parameters", "an object", parameters)


def _choice(name: str, value: Any) -> None:
    if not isinstance(value, str | dict):
        raise wrong_type(name, "a string or an object", value)


def _response_format(name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise wrong_type(name, "an object", value)
    kind = value.get("type")
    is_string(f"{name}.type", kind)  # which kinds there are is the server's to say (vLLM has `structural_tag`)
    if kind == "json_schema" and not isinstance(value.get("json_schema"), dict):
        raise wrong_type(f"{name}.json_schema", "an object", value.get("json_schema"))


def _check_objects(name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise wrong_type(name, "an array of objects", value)
    _check_length(name, value, MAX_TOOLS)
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise wrong_type(f"{name}[{index}]", "an object", item)


def _check_length(name: str, value: list[Any], most: int) -> None:
    if len(value) > most:
        raise wrong_value(name, f"array too long. Expected at most {most} items.", "array_above_max_length")


SAMPLING: Final[Mapping[str, Check]] = {
    "temperature": is_number(0, 2),
    "top_p": is_number(0, 1),
    "presence_penalty": is_number(-2, 2),
    "frequency_penalty": is_number(-2, 2),
    "stop": is_stop,
    "seed": is_integer(),
    "user": is_string,
}
"""The members that chat and text completions have in common, beside those of streams and limits."""

_CHECKS: Mapping[str, Check] = {
    "stream": is_boolean,
    "stream_options": is_stream_options,
    "n": is_integer(1, MAX_CHOICES),
    "max_tokens": is_integer(),  # -1 is "no limit" to some servers: the others refuse it themselves
    "max_completion_tokens": is_integer(),
    **SAMPLING,
    "logprobs": is_boolean,
    "top_logprobs": is_integer(0, 20),
    "tools": _tools,
    "tool_choice": _choice,
    "parallel_tool_calls": is_boolean,
    "functions": _functions,
    "function_call": _choice,
    "response_format": _response_format,
}
