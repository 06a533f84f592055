"""The conversation, checked and made ready for LiteLLM's mapping, which drops what it does not know and fails without
saying where.

Rule: the result is a copy, and every refusal names its place in the request. Roles: `developer` is `system`. A tool's
result gets the name of the call that it answers (Gemini wants names, not ids). A call's arguments must be the JSON text
of an object; an empty text stands for an empty object.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from proxy.upstreams.content import (
    ANTHROPIC,
    Rules,
    copied,
    fault,
    image,
    kind_of,
    listed,
    result_parts,
    text_of,
    user_parts,
)

Message: TypeAlias = dict[str, Any]

_THINKING = frozenset({"thinking", "redacted_thinking"})


def prepared(messages: Any, rules: Rules) -> list[Message]:
    """`messages` as LiteLLM may have them. Raises `InvalidRequest` for what the provider cannot be sent."""
    names: dict[str, str] = {}
    return [_message(message, f"messages[{i}]", rules, names) for i, message in enumerate(listed(messages, "messages"))]


def _message(message: Any, where: str, rules: Rules, names: dict[str, str]) -> Message:
    role = message.get("role") if isinstance(message, Mapping) else None
    copy: Message = copied(message) if isinstance(message, Mapping) else {}
    content, place = copy.get("content"), f"{where}.content"
    match role:
        case "system" | "developer":
            return {**copy, "role": "system", "content": _system(content, place)}
        case "user":
            return {**copy, "content": user_parts(content, place, rules)}
        case "assistant":
            return _assistant(copy, where, rules, names)
        case "tool":
            return _result(copy, where, rules, names)
        case "function" if rules is not ANTHROPIC:
            return {**copy, "content": text_of(content, place)}
        case _:
            raise fault(f"{where}.role", f"cannot be {role!r} here: use system, user, assistant or tool.")


def _system(content: Any, where: str) -> str | list[Message]:
    text = text_of(content, where)
    return user_parts(content, where, ANTHROPIC) if isinstance(content, list) else text


def _assistant(message: Message, where: str, rules: Rules, names: dict[str, str]) -> Message:
    message["content"] = _said(message, f"{where}.content", rules)
    if message.get("thinking_blocks") is not None:
        message["thinking_blocks"] = _blocks(message["thinking_blocks"], f"{where}.thinking_blocks")
    message.pop("refusal", None)
    _check_pictures(message, where, rules)
    if message.get("tool_calls") is None:
        message.pop("tool_calls", None)
    else:
        message["tool_calls"] = _calls(message["tool_calls"], f"{where}.tool_calls", names)
    call = message.get("function_call")
    if call is None:
        message.pop("function_call", None)
    elif rules is ANTHROPIC:
        raise fault(f"{where}.function_call", "cannot be sent to Anthropic: use tool_calls.")
    else:
        message["function_call"] = _function(call, f"{where}.function_call")
    return message


def _said(message: Message, where: str, rules: Rules) -> str | list[Message] | None:
    content = message.get("content")
    if content is None:
        refusal = message.get("refusal")
        return refusal if isinstance(refusal, str) else None
    if isinstance(content, str):
        return content
    thinking = [part for part in listed(content, where) if kind_of(part) in _THINKING]
    if thinking and not message.get("thinking_blocks"):
        message["thinking_blocks"] = thinking
    rest = [part for part in content if part not in thinking]
    text_of(rest, where)
    return user_parts(rest, where, rules)


def _blocks(blocks: Any, where: str) -> list[Message]:
    """The thinking blocks as the provider gave them: their place in the list was added for OpenAI's SDK."""
    if not all(isinstance(block, Mapping) for block in listed(blocks, where)):
        raise fault(where, "must be the list of thinking blocks that the answer came with.")
    return [{name: value for name, value in block.items() if name != "index"} for block in blocks]


def _check_pictures(message: Message, where: str, rules: Rules) -> None:
    pictures = message.get("images")
    if pictures is None or rules is ANTHROPIC:  # which takes no images from the assistant: LiteLLM leaves them out
        message.pop("images", None)
        return
    for i, picture in enumerate(listed(pictures, f"{where}.images")):
        image(picture.get("image_url") if isinstance(picture, Mapping) else None, f"{where}.images[{i}]", rules)


def _calls(calls: Any, where: str, names: dict[str, str]) -> Sequence[Message]:
    return [_call(call, f"{where}[{i}]", names) for i, call in enumerate(listed(calls, where))]


def _call(call: Any, where: str, names: dict[str, str]) -> Message:
    if not isinstance(call, Mapping) or call.get("type", "function") != "function":
        raise fault(f"{where}.type", 'must be "function": this provider has no other tool calls.')
    id = call.get("id")
    if not isinstance(id, str) or not id:
        raise fault(f"{where}.id", "is missing: send back the id that the call came with.")
    function = _function(call.get("function"), f"{where}.function")
    names[id] = function["name"]
    return {**call, "type": "function", "function": function}


def _function(function: Any, where: str) -> Message:
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise fault(f"{where}.name", "is missing: send back the name that the call came with.")
    arguments = function.get("arguments")
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        arguments = "{}"
    if not isinstance(arguments, str) or not _is_object(arguments):
        raise fault(f"{where}.arguments", "is not the JSON text of an object: correct it, or leave the call out.")
    return {**function, "arguments": arguments}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _result(message: Message, where: str, rules: Rules, names: Mapping[str, str]) -> Message:
    id = message.get("tool_call_id")
    if not isinstance(id, str) or not id:
        raise fault(f"{where}.tool_call_id", "is missing: send the id of the tool call that this answers.")
    name = names.get(id) or message.get("name")
    if not isinstance(name, str) or not name:
        raise fault(f"{where}.tool_call_id", "matches no tool call before it: send the assistant's call as well.")
    return {**message, "name": name, "content": result_parts(message.get("content"), f"{where}.content", rules)}
