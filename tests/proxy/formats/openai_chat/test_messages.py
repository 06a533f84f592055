"""Validation of messages."""

import copy
from typing import Any

import pytest

from policies.steps import finished
from proxy.errors import InvalidRequest
from proxy.formats.openai_chat.messages import check_messages

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": ""},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "user", "content": "hi", "name": None, "unknown": {"x": [1]}},
        {"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]},
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL, {**CALL, "id": "c2"}]},
        {"role": "assistant", "content": "a", "tool_calls": None, "refusal": None, "audio": None},
        {"role": "assistant", "content": "a", "tool_calls": []},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": None, "reasoning_content": "hm"},
        {"role": "assistant", "content": None, "audio": {"id": "a1"}},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "content": "a", "thinking_blocks": [{"type": "thinking", "thinking": "x"}]},
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "r"}, IMAGE]},
        {"role": "function", "name": "f", "content": "r"},
        {"role": "function", "name": "f", "content": None},
    ],
)
def test_what_clients_send_is_accepted(message: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": "first"}, message]
    sent = copy.deepcopy(messages)
    finished(check_messages(messages))
    assert messages == sent, "it is read, never changed"
    with pytest.raises(InvalidRequest) as refusal:
        finished(check_messages([*messages, {"role": "robot"}]))
    assert refusal.value.param == "messages[2].role", "the messages before it were passed one by one"


def assistant(**members: Any) -> dict[str, Any]:
    return {"role": "assistant", **members}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("message", "param", "code", "reason"),
    [
        ("hi", "", "invalid_type", "expected an object, but got a string instead."),
        (None, "", "invalid_type", "expected an object, but got null"),
        ({"content": "x"}, ".role", "missing_required_parameter", "Missing required parameter: 'messages[1].role'."),
        ({"role": None, "content": "x"}, ".role", "missing_required_parameter", "Missing"),
        ({"role": 1, "content": "x"}, ".role", "invalid_type", "expected a string, but got an integer"),
        ({"role": ["user"], "content": "x"}, ".role", "invalid_type", "but got an array"),
        ({"role": "robot", "content": "x"}, ".role", "invalid_value", "'robot' is no role. Supported values are: 'dev"),
        ({"role": "USER", "content": "x"}, ".role", "invalid_value", "'USER' is no role"),
        ({"role": "r" * 9999, "content": "x"}, ".role", "invalid_value", "rrr…' is no role"),
        ({"role": "user"}, ".content", "invalid_type", "expected a string or an array of objects, but got null"),
        (user(None), ".content", "invalid_type", "but got null"),
        (user(1), ".content", "invalid_type", "but got an integer"),
        (user(1.5), ".content", "invalid_type", "but got a decimal"),
        (user(True), ".content", "invalid_type", "but got a boolean"),
        (user({"type": "text"}), ".content", "invalid_type", "but got an object"),
        (user([]), ".content", "empty_array", "Expected at least one part."),
        (user(["x"]), ".content[0]", "invalid_type", "expected an object, but got a string"),
        (user([{"text": "x"}]), ".content[0].type", "missing_required_parameter", "Missing"),
        (user([{"type": 1}]), ".content[0].type", "invalid_type", "expected a string"),
        (user([{"type": ["text"]}]), ".content[0].type", "invalid_type", "but got an array"),
        (user([{"type": "text"}]), ".content[0].text", "invalid_type", "expected a string, but got null"),
        (user([{"type": "text", "text": ["a"]}]), ".content[0].text", "invalid_type", "but got an array"),
        (user([IMAGE, {"type": "image_url", "image_url": "u"}]), ".content[1].image_url", "invalid_type", "an object"),
        (
            user([{"type": "image_url", "image_url": {}}]),
            ".content[0].image_url.url",
            "missing_required_parameter",
            "M",
        ),
        (user([{"type": "image_url", "image_url": {"url": 1}}]), ".content[0].image_url.url", "invalid_type", "string"),
        ({**user("x"), "name": 1}, ".name", "invalid_type", "expected a string"),
        (assistant(), ".content", "invalid_type", "but got null"),
        (assistant(content=None, tool_calls=[]), ".content", "invalid_type", "but got null"),
        (assistant(content=None, refusal=""), ".content", "invalid_type", "but got null"),
        (assistant(content=5, tool_calls=[CALL]), ".content", "invalid_type", "but got an integer"),
        (assistant(content="a", tool_calls={}), ".tool_calls", "invalid_type", "expected an array of objects"),
        (assistant(tool_calls=["x"]), ".tool_calls[0]", "invalid_type", "expected an object"),
        (assistant(tool_calls=[{**CALL, "id": None}]), ".tool_calls[0].id", "missing_required_parameter", "Missing"),
        (assistant(tool_calls=[CALL, {**CALL, "id": 1}]), ".tool_calls[1].id", "invalid_type", "expected a string"),
        (assistant(tool_calls=[{**CALL, "type": 1}]), ".tool_calls[0].type", "invalid_type", "expected a string"),
        (assistant(tool_calls=[{"id": "c"}]), ".tool_calls[0].function", "invalid_type", "expected an object"),
        (
            assistant(tool_calls=[{"id": "c", "function": {"arguments": "{}"}}]),
            ".tool_calls[0].function.name",
            "missing_required_parameter",
            "Missing",
        ),
        (
            assistant(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": {}}}]),
            ".tool_calls[0].function.arguments",
            "invalid_type",
            "expected a string, but got an object",
        ),
        (assistant(function_call="f"), ".function_call", "invalid_type", "expected an object"),
        ({"role": "tool", "content": "r"}, ".tool_call_id", "missing_required_parameter", "Missing"),
        ({"role": "tool", "tool_call_id": 1, "content": "r"}, ".tool_call_id", "invalid_type", "expected a string"),
        ({"role": "tool", "tool_call_id": "c", "content": None}, ".content", "invalid_type", "but got null"),
        ({"role": "function", "content": "r"}, ".name", "missing_required_parameter", "Missing"),
        ({"role": "function", "name": "f", "content": [1]}, ".content", "invalid_type", "but got an array"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(message: Any, param: str, code: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        finished(check_messages([user("first"), message]))
    assert (refusal.value.param, refusal.value.code) == (f"messages[1]{param}", code)
    assert reason in refusal.value.message


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (None, "invalid_type"),
        ("hi", "invalid_type"),
        ({"role": "user"}, "invalid_type"),
        ([], "empty_array"),
        ([user("x")] * 10_001, "array_above_max_length"),
    ],
)
def test_messages_are_a_list_of_a_bounded_length(messages: Any, code: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        finished(check_messages(messages))
    assert (refusal.value.param, refusal.value.code) == ("messages", code)


@pytest.mark.parametrize(
    "messages",
    [
        [user("x")] * 1_000,
        [user([{"type": "text", "text": "x"}] * 64_000)],
        [{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}] * 1_000}],
    ],
    ids=["messages", "parts", "calls"],
)
def test_a_long_conversation_is_checked_in_steps(messages: Any) -> None:
    assert sum(1 for _ in check_messages(messages)) >= 1_000
