"""The conversation, checked and made ready for LiteLLM's mapping, which drops what it does not know and fails without
saying where.

Rule: the result is a copy, and every refusal names its place in the request. Roles: `developer` is `system`, and all
such messages stand in front: elsewhere LiteLLM would put a sentence of its own into the user's mouth. A tool's
result gets the name of the call that it answers (Gemini wants names, not ids). A call's arguments must be the JSON text
of an object; an empty text stands for an empty object.

LiteLLM compares each call of a turn with each part of it, and looks through a turn's calls for each result. So the
pairs are counted before. A turn is a run of the assistant's messages: LiteLLM makes one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from policies.work import OverBudget, Work
from proxy.providers.mapping.content import (
    ANTHROPIC,
    GEMINI,
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
from proxy.providers.mapping.tickets import Tickets

Message: TypeAlias = dict[str, Any]

MAX_PAIRS: Final = 1_000_000
"""Pairs that LiteLLM may look at in a request: a thousand calls in one turn."""

_COMPARED: Final = 64
"""Characters of arguments that are compared in the time of a pair."""

_BESIDE_CONTENT = ("tool_calls", "function_call", "thinking_blocks", "images", "provider_specific_fields")

_THINKING = frozenset({"thinking", "redacted_thinking"})
_RESULTS = ("web_search_results", "tool_results")


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What is known of the whole while its messages are read. `names` are those of the calls, by id."""

    rules: Rules
    tickets: Tickets
    names: dict[str, str] = field(default_factory=dict)


def prepared(messages: Any, rules: Rules, tickets: Tickets, work: Work) -> list[Message]:
    """`messages` as LiteLLM may have them. Raises `InvalidRequest` for what the provider cannot be sent, and
    `OverBudget`."""
    given = listed(messages, "messages")
    conversation = _Conversation(rules, tickets)
    told: list[tuple[Message, str]] = []
    for i, each in enumerate(given):
        message = _message(each, f"messages[{i}]", conversation)
        if _says_something(message, f"messages[{i}]", rules):
            told.append((message, f"messages[{i}]"))
    told.sort(key=lambda one: one[0]["role"] != "system")
    if not told or told[-1][0]["role"] == "system":
        raise fault("messages", f"hold no user's message, which {rules.provider} requires: add one.")
    ready = [message for message, _ in told]
    left = MAX_PAIRS
    for i, pairs in _pairs(ready):
        left -= pairs
        if left < 0:
            raise OverBudget(told[i][1])
        work.spend(pairs, told[i][1])
    return ready


def _says_something(message: Message, where: str, rules: Rules) -> bool:
    """Whether anything is left of a message without its empty texts, which providers refuse and for which LiteLLM makes
    up a sentence. Raises `InvalidRequest` for a user's message of nothing else."""
    content = message.get("content")
    if message["role"] not in ("user", "assistant", "system") or content is None:
        return True
    if isinstance(content, list):
        content = [part for part in content if part.get("type") != "text" or part["text"].strip()]
    left = content if isinstance(content, list) or content.strip() else None
    message["content"] = left or None
    if left or any(message.get(name) for name in _BESIDE_CONTENT):
        return True
    if message["role"] == "user":
        raise fault(f"{where}.content", f"is empty, which {rules.provider} does not take: say something.")
    return False


def _pairs(messages: Sequence[Message]) -> Iterator[tuple[int, int]]:
    """How many pairs LiteLLM looks at for each message that has any."""
    calls = parts = of_last = 0
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            own, size = _sizes(message)
            yield i, own * (parts + size) + _server_results(message) * own
            calls, parts = calls + own, parts + size
            of_last = own or of_last
        else:
            calls = parts = 0
            if message["role"] in ("tool", "function"):
                yield i, of_last


def _sizes(message: Message) -> tuple[int, int]:
    """A message's calls, and all of its parts, the calls among them. Long arguments count as further parts."""
    content, fields = message.get("content"), message.get("provider_specific_fields")
    invocations = fields.get("server_side_tool_invocations") if isinstance(fields, dict) else None
    asked: list[Message] = message.get("tool_calls") or []
    long = sum(len(call["function"]["arguments"]) for call in asked) // _COMPARED
    calls = len(asked) + _length(invocations)
    return calls, calls + long + 1 + _length(content) + _length(message.get("images"))


def _server_results(message: Message) -> int:
    fields = message.get("provider_specific_fields")
    return sum(_length(fields.get(name)) for name in _RESULTS) if isinstance(fields, dict) else 0


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0


def _message(message: Any, where: str, conversation: _Conversation) -> Message:
    role = message.get("role") if isinstance(message, Mapping) else None
    copy: Message = copied(message) if isinstance(message, Mapping) else {}
    content, place = copy.get("content"), f"{where}.content"
    match role:
        case "system" | "developer":
            return {**copy, "role": "system", "content": _system(content, place)}
        case "user":
            return {**copy, "content": user_parts(content, place, conversation.rules)}
        case "assistant":
            return _assistant(copy, where, conversation)
        case "tool":
            return _result(copy, where, conversation)
        case "function" if conversation.rules is not ANTHROPIC:
            return {**copy, "content": _told(text_of(content, place), place, conversation)}
        case _:
            named = repr(role) if isinstance(role, str) else "missing"
            raise fault(f"{where}.role", f"cannot be {named} here: use system, user, assistant or tool.")


def _system(content: Any, where: str) -> str | list[Message]:
    text = text_of(content, where)
    return user_parts(content, where, ANTHROPIC) if isinstance(content, list) else text


def _assistant(message: Message, where: str, conversation: _Conversation) -> Message:
    rules = conversation.rules
    message["content"] = _said(message, f"{where}.content", rules)
    if message.get("thinking_blocks") is not None:
        message["thinking_blocks"] = _blocks(message["thinking_blocks"], f"{where}.thinking_blocks")
    message.pop("refusal", None)
    _check_pictures(message, where, rules)
    if message.get("tool_calls") in (None, []):  # for an empty list LiteLLM would make up a tool
        message.pop("tool_calls", None)
    else:
        message["tool_calls"] = _calls(message["tool_calls"], f"{where}.tool_calls", conversation)
    call = message.get("function_call")
    if call is None:
        message.pop("function_call", None)
    elif rules is ANTHROPIC:
        raise fault(f"{where}.function_call", "cannot be sent to Anthropic: use tool_calls.")
    else:
        message["function_call"] = _function(call, f"{where}.function_call", conversation.tickets)
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
    rest = [part for part in content if kind_of(part) not in _THINKING]
    text_of(rest, where)
    return user_parts(rest, where, rules)


def _blocks(blocks: Any, where: str) -> list[Message]:
    """The thinking blocks as the provider gave them: their place in the list was added for OpenAI's SDK."""
    for i, block in enumerate(listed(blocks, where)):
        if kind_of(block) not in _THINKING:
            raise fault(f"{where}[{i}].type", "must be that of the thinking block that the answer came with.")
    return [{name: value for name, value in block.items() if name != "index"} for block in blocks]


def _check_pictures(message: Message, where: str, rules: Rules) -> None:
    pictures = message.get("images")
    if pictures is None or rules is ANTHROPIC:  # which takes no images from the assistant: LiteLLM leaves them out
        message.pop("images", None)
        return
    for i, picture in enumerate(listed(pictures, f"{where}.images")):
        image(picture.get("image_url") if isinstance(picture, Mapping) else None, f"{where}.images[{i}]", rules)


def _calls(calls: Any, where: str, conversation: _Conversation) -> Sequence[Message]:
    return [_call(call, f"{where}[{i}]", conversation) for i, call in enumerate(listed(calls, where))]


def _call(call: Any, where: str, conversation: _Conversation) -> Message:
    if not isinstance(call, Mapping) or call.get("type", "function") != "function":
        raise fault(f"{where}.type", 'must be "function": this provider has no other tool calls.')
    id = call.get("id")
    if not isinstance(id, str) or not id:
        raise fault(f"{where}.id", "is missing: send back the id that the call came with.")
    function = _function(call.get("function"), f"{where}.function", conversation.tickets)
    conversation.names[id] = function["name"]
    return {**call, "type": "function", "function": function}


def _function(function: Any, where: str, tickets: Tickets) -> Message:
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise fault(f"{where}.name", "is missing: send back the name that the call came with.")
    text = function.get("arguments")
    if text is None or (isinstance(text, str) and not text.strip()):
        text = "{}"
    arguments = tickets.arguments(text, f"{where}.arguments") if isinstance(text, str) else None
    if arguments is None:
        raise fault(f"{where}.arguments", "is not the JSON text of an object: correct it, or leave the call out.")
    return {**function, "arguments": arguments}


def _result(message: Message, where: str, conversation: _Conversation) -> Message:
    id = message.get("tool_call_id")
    if not isinstance(id, str) or not id:
        raise fault(f"{where}.tool_call_id", "is missing: send the id of the tool call that this answers.")
    name = conversation.names.get(id) or message.get("name")
    if not isinstance(name, str) or not name:
        raise fault(f"{where}.tool_call_id", "matches no tool call before it: send the assistant's call as well.")
    place = f"{where}.content"
    content = result_parts(message.get("content"), place, conversation.rules)
    return {**message, "name": name, "content": _told(content, place, conversation)}


def _told(content: str | list[Message], where: str, conversation: _Conversation) -> str | list[Message]:
    """A result's content. Gemini's is JSON, so its texts are one text; one that is an image is left to LiteLLM."""
    if conversation.rules is not GEMINI:
        return content
    if isinstance(content, str):
        is_data = content[:5].lower() == "data:"
        return content if is_data else conversation.tickets.result(content, where)
    text = "".join(part["text"] for part in content if part["type"] == "text")
    media = [part for part in content if part["type"] != "text"]
    return [{"type": "text", "text": conversation.tickets.result(text, where)}, *media]
