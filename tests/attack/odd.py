"""Requests with odd values in any place.

They contain some of the members that Sluice and its providers know, then values of other types, and too many or too few
members.
"""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
CACHED = {"cache_control": {"type": "ephemeral"}}
SIGNED = {"provider_specific_fields": {"thought_signature": "c2ln"}}

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief.", **CACHED},
    {"role": "developer", "content": [{"type": "text", "text": "d", **CACHED}]},
    {
        "role": "user",
        "name": "n",
        "content": [
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low", "format": "image/png"}},
            {"type": "file", "file": {"file_data": PDF, "filename": "f", "format": "application/pdf"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"type": "document", "source": {"type": "text", "data": "x", "media_type": "text/plain"}},
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "text", "text": "x"},
            {"type": "refusal", "refusal": "r"},
        ],
        "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
        "reasoning_content": "r",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a":1}', **SIGNED},
                **SIGNED,
            },
            {"id": "srvtoolu_1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
        "provider_specific_fields": {
            "thought_signatures": ["a"],
            "web_search_results": [{"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}],
            "tool_results": [],
            "compaction_blocks": [{"type": "compaction", "content": "x"}],
            "server_side_tool_invocations": [{"tool_type": "t", "id": "i", "args": {}, "response": {}}],
        },
        "images": [{"image_url": {"url": PNG}}],
        "audio": {"id": "a"},
        "refusal": "no",
        "function_call": {"name": "f", "arguments": "{}"},
    },
    {
        "role": "tool",
        "tool_call_id": "c1",
        "content": [{"type": "text", "text": "{}"}, {"type": "image_url", "image_url": {"url": PNG}}],
        **CACHED,
    },
    {"role": "tool", "tool_call_id": "srvtoolu_1", "content": '{"a":1}'},
    {"role": "user", "content": "Hi"},
]
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"$ref": "#/$defs/x"},
        "b": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
        "c": {"type": ["string", "null"], "enum": ["a", ""]},
    },
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"x": {"type": "string", "minLength": 1}},
}
PARAMETERS: dict[str, Any] = {
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "strict": True, "parameters": SCHEMA, **CACHED},
            "defer_loading": False,
            "allowed_callers": ["x"],
            "input_examples": [{}],
            **CACHED,
        },
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA}},
    "max_tokens": 100,
    "max_completion_tokens": 200,
    "temperature": 0.5,
    "top_p": 0.5,
    "n": 1,
    "stop": ["a"],
    "seed": 1,
    "user": "u",
    "logit_bias": {"1": 1},
    "logprobs": True,
    "top_logprobs": 2,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "reasoning_effort": "low",
    "reasoning": {"effort": "low", "max_tokens": 100},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "thinking_config": {"thinkingBudget": 1},
    "top_k": 5,
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "auto",
    "modalities": ["text"],
    "audio": {"voice": "v", "format": "pcm16"},
    "web_search_options": {"search_context_size": "low", "user_location": {"type": "approximate"}},
    "prediction": {"type": "content", "content": "x"},
    "verbosity": "low",
    "safety_settings": [{"category": "c", "threshold": "t"}],
    "cached_content": "c",
    "context_management": [{"type": "compaction", "compact_threshold": 1}],
    "mcp_servers": [{"type": "url", "url": "https://example.com", "name": "n"}],
    "output_config": {"effort": "low"},
    "container": "c",
    "functions": [{"name": "h", "parameters": {"type": "object"}}],
    "function_call": "auto",
    "mediaResolution": "x",
    "stream": True,
    "stream_options": {"include_usage": True},
}

_ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", "data:", "http://x", "{}", "[]", "é😀", "\u0001"),
    *([], {}, [None], [[]], [{}], ["x"], [1], {"": None}, {"a": {"b": []}}, {"role": []}),
    *({"type": []}, {"type": {}}, {"type": "text"}, {"type": "x"}, {"$ref": []}, {"$defs": []}),
]
_MEMBERS = (
    "type",
    "content",
    "text",
    "url",
    "function",
    "name",
    "id",
    "role",
    "$ref",
    "$defs",
    "anyOf",
    "items",
    "enum",
)


def odd(random: Random) -> dict[str, Any]:
    """Generate a request's members besides `model`, with one or two odd places."""
    optional = random.sample(sorted(PARAMETERS), random.randint(0, 4))
    messages = [_part_of(message, random) for message in MESSAGES[:-1] if random.random() < 0.3]
    body = {"messages": [*messages, MESSAGES[-1]], **{name: PARAMETERS[name] for name in optional}}
    body = copy.deepcopy(body)
    for _ in range(random.randint(1, 2)):
        if places := list(_places(body)):
            _alter(*random.choice(places), random)
    return body


def _part_of(message: dict[str, Any], random: Random) -> dict[str, Any]:
    needed = ("role", "content", "tool_call_id", "tool_calls")
    part = {name: value for name, value in message.items() if name in needed or random.random() < 0.4}
    if isinstance(part["content"], list):
        part["content"] = random.sample(part["content"], random.randint(1, len(part["content"])))
    return part


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container within `value`, and each of its keys or positions."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield value, key
        yield from _places(member)


def _alter(container: Any, key: Any, random: Random) -> None:
    value = copy.deepcopy(random.choice(_ODD))
    there = container[key]
    match random.choice(("put", "put", "put", "take", "wrap", "add")):
        case "take":
            del container[key]
        case "wrap":
            container[key] = [there]
        case "add" if isinstance(there, dict):
            there[random.choice(_MEMBERS)] = value
        case "add" if isinstance(there, list):
            there.append(value)
        case _:
            container[key] = value
