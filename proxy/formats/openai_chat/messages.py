"""What the messages of a request must be.

Rule: what a policy or a provider's mapping reads has the type that they rely on; members that Sluice does not know
pass. An error names the place, as `messages[3].content[0].text`. A conversation may be long: it is checked in steps.
"""

from typing import Any

from policies.steps import Steps
from proxy.formats.openai_chat.request_errors import missing, shown, wrong_type, wrong_value

MAX_MESSAGES = 10_000

_PARTS_IN_A_STEP = 64

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_INSTEAD_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio", "reasoning_content", "thinking_blocks")
_PART_MEMBERS = {"text": ("text", str), "refusal": ("refusal", str), "image_url": ("image_url", dict)}
_TYPE_NAMES = {str: "a string", dict: "an object"}


def check_messages(messages: Any) -> Steps[None]:
    """Raises `InvalidRequest` for the first thing that is wrong with a request's `messages`."""
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise wrong_value("messages", "empty array. Expected at least one message.", "empty_array")
    if len(messages) > MAX_MESSAGES:
        why = f"array too long. Expected at most {MAX_MESSAGES} messages."
        raise wrong_value("messages", why, "array_above_max_length")
    for index, message in enumerate(messages):
        yield from _check_message(message, f"messages[{index}]")


def _check_message(message: Any, at: str) -> Steps[None]:
    if not isinstance(message, dict):
        raise wrong_type(at, "an object", message)
    role = message.get("role")
    if role is None:
        raise missing(f"{at}.role")
    if not isinstance(role, str):
        raise wrong_type(f"{at}.role", "a string", role)
    _check_text(message, "name", at)
    match role:
        case "user" | "system" | "developer":
            yield from _check_content(message, at)
        case "assistant":
            yield from _check_assistant(message, at)
        case "tool":
            _check_text(message, "tool_call_id", at, required=True)
            yield from _check_content(message, at)
        case "function":
            _check_text(message, "name", at, required=True)
            _check_text(message, "content", at)
        case _:
            known = ", ".join(repr(name) for name in _ROLES)
            raise wrong_value(f"{at}.role", f"{shown(role)} is no role. Supported values are: {known}.")


def _check_assistant(message: dict[str, Any], at: str) -> Steps[None]:
    if message.get("content") is not None or not any(message.get(member) for member in _INSTEAD_OF_CONTENT):
        yield from _check_content(message, at)
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise wrong_type(f"{at}.tool_calls", "an array of objects", calls)
    for index, call in enumerate(calls or ()):
        _check_call(call, f"{at}.tool_calls[{index}]")
        yield
    legacy = message.get("function_call")
    if legacy is not None:
        _check_function(legacy, f"{at}.function_call")


def _check_call(call: Any, at: str) -> None:
    if not isinstance(call, dict):
        raise wrong_type(at, "an object", call)
    _check_text(call, "id", at, required=True)
    _check_text(call, "type", at)
    if call.get("type") in (None, "function"):
        _check_function(call.get("function"), f"{at}.function")


def _check_function(function: Any, at: str) -> None:
    if not isinstance(function, dict):
        raise wrong_type(at, "an object", function)
    _check_text(function, "name", at, required=True)
    _check_text(function, "arguments", at)


def _check_content(message: dict[str, Any], at: str) -> Steps[None]:
    content = message.get("content")
    yield
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise wrong_type(f"{at}.content", "a string or an array of objects", content)
    if not content:
        raise wrong_value(f"{at}.content", "empty array. Expected at least one part.", "empty_array")
    for index, part in enumerate(content):
        _check_part(part, f"{at}.content[{index}]")
        if not index % _PARTS_IN_A_STEP:
            yield


def _check_part(part: Any, at: str) -> None:
    if not isinstance(part, dict):
        raise wrong_type(at, "an object", part)
    _check_text(part, "type", at, required=True)
    kind = part["type"]
    if kind in _PART_MEMBERS:
        member, expected = _PART_MEMBERS[kind]
        if not isinstance(part.get(member), expected):
            raise wrong_type(f"{at}.{member}", _TYPE_NAMES[expected], part.get(member))
    if kind == "image_url":
        _check_text(part["image_url"], "url", f"{at}.image_url", required=True)


def _check_text(holder: dict[str, Any], member: str, at: str, *, required: bool = False) -> None:
    value = holder.get(member)
    if value is None:
        if required:
            raise missing(f"{at}.{member}")
        return
    if not isinstance(value, str):
        raise wrong_type(f"{at}.{member}", "a string", value)
