"""Validation of a Messages request as by Anthropic, with its messages where known.

It is as strict as the real API where a gateway can go wrong: unknown members, limits, the order of roles, tool results
without their calls, and thinking blocks whose signature does not fit their text.
"""

import base64
import hashlib
from typing import Any

from proxy.simulator.formats.base import require, words

_KNOWN = words(
    "model messages max_tokens metadata stop_sequences stream system temperature thinking tool_choice tools top_k "
    "top_p service_tier container context_management mcp_servers output_config output_format cache_control "
    "inference_geo speed"
)
_MIN_BUDGET = 1024


def signature(thinking: str) -> str:
    """Return the simulator's signature of a thinking block. It fits this text only."""
    digest = hashlib.sha256(b"simulator:" + thinking.encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(b"\x12" + digest + digest).decode()


def check(body: Any) -> None:
    """Raise `Refused` (400) for a request that the API rejects."""
    require(isinstance(body, dict), "The request body is not valid JSON: send a JSON object.")
    for name in ("model", "max_tokens", "messages"):
        require(name in body, f"{name}: Field required")
    for name in body:
        require(name in _KNOWN, f"{name}: Extra inputs are not permitted")
    require(isinstance(body["model"], str) and body["model"], "model: Input should be a valid string")
    limit = body["max_tokens"]
    integral = isinstance(limit, int) and not isinstance(limit, bool)
    require(integral and limit >= 1, "max_tokens: Input should be a valid integer, greater than or equal to 1")
    _check_settings(body)
    _check_thinking(body)
    _check_tools(body)
    _check_messages(body["messages"])
    _check_thinking_kept(body)


def _check_settings(body: dict[str, Any]) -> None:
    temperature = body.get("temperature")
    fits = temperature is None or (isinstance(temperature, int | float) and 0 <= temperature <= 1)
    require(fits, "temperature: range: 0..1")
    require(isinstance(body.get("stream", False), bool), "stream: Input should be a valid boolean")
    require(isinstance(body.get("system", ""), str | list), "system: Input should be a valid string or list")
    stops = body.get("stop_sequences", [])
    require(
        isinstance(stops, list) and all(isinstance(s, str) for s in stops), "stop_sequences: Input should be a list"
    )
    require(all(s.strip() for s in stops), "stop_sequences: each stop sequence must contain non-whitespace")


def _check_thinking(body: dict[str, Any]) -> None:
    thinking = body.get("thinking") or {"type": "disabled"}
    if thinking.get("type") != "enabled":
        return
    budget = thinking.get("budget_tokens")
    fits = isinstance(budget, int) and budget >= _MIN_BUDGET
    require(fits, f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_BUDGET}")
    require(budget < body["max_tokens"], "`max_tokens` must be greater than `thinking.budget_tokens`.")
    require(
        body.get("temperature", 1) == 1,
        "`temperature` may only be set to 1 when thinking is enabled.",
    )
    require(
        (body.get("tool_choice") or {}).get("type") not in ("any", "tool"),
        "Thinking may not be enabled when tool_choice forces tool use.",
    )


def _check_tools(body: dict[str, Any]) -> None:
    tools = body.get("tools", [])
    require(isinstance(tools, list), "tools: Input should be a valid list")
    for at, tool in enumerate(tools):
        require(isinstance(tool, dict), f"tools.{at}: Input should be an object")
        require(isinstance(tool.get("name"), str) or "type" in tool, f"tools.{at}.name: Field required")
        if tool.get("type", "custom") == "custom":
            schema = tool.get("input_schema")
            require(isinstance(schema, dict), f"tools.{at}.custom.input_schema: Field required")
            require(schema.get("type") == "object", f"tools.{at}.custom.input_schema.type: Input should be 'object'")
    choice = body.get("tool_choice")
    require(not choice or tools, "tool_choice may only be specified while providing tools.")
    known = choice is None or (isinstance(choice, dict) and choice.get("type") in ("auto", "any", "tool", "none"))
    require(known, "tool_choice: Input should be an object of type 'auto', 'any', 'tool' or 'none'")
    if choice and choice["type"] == "tool":
        named = choice.get("name") in [tool.get("name") for tool in tools]
        require(named, f"Tool '{choice.get('name')}' not found in provided tools")


def _check_messages(messages: Any) -> None:
    require(isinstance(messages, list), "messages: Input should be a valid list")
    require(messages, "messages: at least one message is required")
    for at, message in enumerate(messages):
        require(isinstance(message, dict), f"messages.{at}: Input should be an object")
        known = message.get("role") in ("user", "assistant")
        require(known, f'messages: Unexpected role "{message.get("role")}". Allowed roles are "user" or "assistant".')
        for name in message:
            require(name in ("role", "content"), f"messages.{at}.{name}: Extra inputs are not permitted")
        _check_content(message.get("content"), f"messages.{at}", last=at == len(messages) - 1)
    require(messages[0]["role"] == "user", 'messages: first message must use the "user" role')
    _check_tool_results(messages)
    end = messages[-1]
    prefill = end["content"] if end["role"] == "assistant" and isinstance(end["content"], str) else ""
    require(prefill == prefill.rstrip(), "messages: final assistant content cannot end with trailing whitespace")


def _check_content(content: Any, at: str, *, last: bool) -> None:
    require(isinstance(content, str | list), f"{at}.content: Input should be a valid string or list")
    require(
        content or last,
        f"{at}: all messages must have non-empty content except for the optional final assistant message",
    )
    for index, block in enumerate(content if isinstance(content, list) else []):
        where = f"{at}.content.{index}"
        require(isinstance(block, dict) and isinstance(block.get("type"), str), f"{where}.type: Field required")
        match block:
            case {"type": "text", "text": str(text)}:
                require(text, "messages: text content blocks must be non-empty")
            case {"type": "text"}:
                require(False, f"{where}.text.text: Input should be a valid string")
            case {"type": "thinking"}:
                signed = block.get("signature") == signature(str(block.get("thinking")))
                require(signed, f"{where}: Invalid `signature` in `thinking` block")
            case {"type": "tool_use"}:
                whole = {"id", "name", "input"} <= block.keys() and isinstance(block["input"], dict)
                require(whole, f"{where}.tool_use: Fields required: id, name, input (an object)")


def _check_tool_results(messages: list[dict[str, Any]]) -> None:
    """Check that results stand in the user message right after their calls, and that every call has one."""
    calls: list[str] = []
    for at, message in enumerate(messages):
        results = _ids(message, "tool_result", "tool_use_id")
        for result in results:
            message_text = f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {result}"
            require(result in calls, message_text)
        missing = [call for call in calls if call not in results]
        require(
            not missing,
            f"messages.{at - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(map(str, missing))}",
        )
        calls = _ids(message, "tool_use", "id")


def _ids(message: dict[str, Any], kind: str, member: str) -> list[str]:
    content = message["content"]
    return [block.get(member) for block in content if block["type"] == kind] if isinstance(content, list) else []


def _check_thinking_kept(body: dict[str, Any]) -> None:
    """Check that a thinking model's turn begins with its thinking while it waits for tool results."""
    messages = body["messages"]
    thinks = (body.get("thinking") or {}).get("type") == "enabled"
    if not thinks or not _ids(messages[-1], "tool_result", "tool_use_id"):
        return
    found = messages[-2]["content"][0]["type"]
    require(
        found in ("thinking", "redacted_thinking"),
        f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
        f"`{found}`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
    )
