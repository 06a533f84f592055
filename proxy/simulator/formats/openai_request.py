"""Validation of a Chat Completions request as by OpenAI, with its messages where known.

It rejects only what every OpenAI-format server rejects. Unknown members pass, because many servers define their own.
"""

from collections.abc import Iterable
from typing import Any

from proxy.simulator.formats.base import require

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_MAX_CHOICES = 128


def check(body: Any) -> None:
    """Raise `Refused` (400) for a request that the API rejects."""
    require(isinstance(body, dict), "We could not parse the JSON body of your request: send a JSON object.")
    require(isinstance(body.get("model"), str) and body["model"], "you must provide a model parameter")
    messages = body.get("messages")
    require(messages is not None, "Missing required parameter: 'messages'.", param="messages")
    require(isinstance(messages, list), "Invalid type for 'messages': expected an array of objects.", param="messages")
    require(messages, "Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages")
    for at, message in enumerate(messages):
        _check_message(message, f"messages[{at}]")
    _check_tool_answers(messages)
    _check_settings(body)
    for at, tool in enumerate(body.get("tools") or []):
        _check_tool(tool, f"tools[{at}]")


def _check_message(message: Any, at: str) -> None:
    require(isinstance(message, dict), f"Invalid type for '{at}': expected an object.", param=at)
    role = message.get("role")
    require(role in _ROLES, f"Invalid value: '{role}'. Supported values are: {', '.join(_ROLES)}.", param=f"{at}.role")
    content = message.get("content")
    if role != "assistant":
        require(
            isinstance(content, str | list),
            f"Invalid value for 'content': expected a string, got {content!r}.",
            param=at,
        )
    for call in message.get("tool_calls") or []:
        known = (
            isinstance(call, dict) and isinstance(call.get("id"), str) and call.get("type") in ("function", "custom")
        )
        require(known, f"Missing required parameter: '{at}.tool_calls[].id' or '.type'.", param=f"{at}.tool_calls")
    if role == "tool":
        require(isinstance(message.get("tool_call_id"), str), f"Missing parameter '{at}.tool_call_id'.", param=at)


def _check_tool_answers(messages: list[dict[str, Any]]) -> None:
    """Check that a tool message follows for each tool call, and that each tool message answers one."""
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            require(
                message["tool_call_id"] in open_calls,
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                "'tool_calls'.",
                param="messages",
            )
            open_calls.discard(message["tool_call_id"])
            continue
        _require_answered(open_calls)
        open_calls = {call["id"] for call in message.get("tool_calls") or []}
    _require_answered(open_calls)


def _require_answered(open_calls: Iterable[str]) -> None:
    missing = ", ".join(sorted(open_calls))
    require(
        not missing,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {missing}",
        param="messages",
    )


def _check_settings(body: dict[str, Any]) -> None:
    n = body.get("n")
    integral = isinstance(n, int) and not isinstance(n, bool)
    require(
        n is None or (integral and 1 <= n <= _MAX_CHOICES), f"Invalid 'n': expected 1 to {_MAX_CHOICES}.", param="n"
    )
    for name in ("max_tokens", "max_completion_tokens"):
        limit = body.get(name)
        require(
            limit is None or (isinstance(limit, int) and limit >= 1),
            f"Invalid '{name}': expected 1 or more.",
            param=name,
        )
    temperature = body.get("temperature")
    fits = temperature is None or (isinstance(temperature, int | float) and 0 <= temperature <= 2)
    require(fits, "Invalid 'temperature': expected a number from 0 to 2.", param="temperature")
    require(
        not body.get("stream_options") or body.get("stream"),
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        param="stream_options",
    )
    choice = body.get("tool_choice")
    require(
        not choice or choice == "none" or body.get("tools"),
        "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
        param="tool_choice",
    )


def _check_tool(tool: Any, at: str) -> None:
    require(isinstance(tool, dict) and isinstance(tool.get("type"), str), f"Missing parameter: '{at}.type'.", param=at)
    if tool["type"] == "function":
        function = tool.get("function")
        named = isinstance(function, dict) and isinstance(function.get("name"), str) and function["name"]
        require(named, f"Missing required parameter: '{at}.function.name'.", param=f"{at}.function.name")
