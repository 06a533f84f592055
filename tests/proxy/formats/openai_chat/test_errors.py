"""Errors in a stream, in the spellings that servers use."""

from typing import Any

import pytest

from proxy.formats.base import DecodeError
from proxy.formats.openai_chat.errors import fault, is_error

ERRORS: dict[str, tuple[dict[str, Any], DecodeError]] = {
    "OpenAI": (
        {"error": {"message": "Down", "type": "server_error", "param": None, "code": None}},
        DecodeError("Down", 502, "server_error"),
    ),
    "Groq": (
        {
            "error": {
                "message": "Tool call failed",
                "type": "invalid_request_error",
                "code": "tool_use_failed",
                "failed_generation": "the answer",
                "status_code": 400,
            }
        },
        DecodeError("Tool call failed", 400, "tool_use_failed"),
    ),
    "OpenRouter": (
        {"error": {"code": 429, "message": "Slow down", "metadata": {"raw": "the answer"}}, "choices": []},
        DecodeError("Slow down", 429),
    ),
    "vLLM": (
        {"object": "error", "message": "Too long", "type": "BadRequestError", "param": None, "code": 400},
        DecodeError("Too long", 400, "BadRequestError"),
    ),
    "text": ({"error": "It broke", "status_code": 503}, DecodeError("It broke", 503)),
    "a status as text": ({"error": {"message": "m", "code": "429"}}, DecodeError("m", 429)),
    "a status of its own": ({"error": {"message": "m", "code": "x", "status": 504}}, DecodeError("m", 504, "x")),
    "a bad key": (
        {"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_api_key"}},
        DecodeError("m", 401, "invalid_api_key"),
    ),
    "rate limit": (
        {"error": {"message": "m", "type": "tokens", "code": "rate_limit_exceeded"}},
        DecodeError("m", 429, "rate_limit_exceeded"),
    ),
    "quota": ({"error": {"message": "m", "type": "insufficient_quota"}}, DecodeError("m", 429, "insufficient_quota")),
    "overloaded": ({"error": {"message": "m", "type": "overloaded_error"}}, DecodeError("m", 503, "overloaded_error")),
    "invalid": (
        {"error": {"message": "m", "type": "invalid_request_error"}},
        DecodeError("m", 400, "invalid_request_error"),
    ),
    "context": (
        {"error": {"message": "m", "type": "x", "code": "context_length_exceeded"}},
        DecodeError("m", 400, "context_length_exceeded"),
    ),
    "a status that is none": (
        {"error": {"message": "m", "code": 200, "status": 999, "status_code": True}},
        DecodeError("m", 502),
    ),
    "a name that could hold text": ({"error": {"message": "m", "type": "the answer was x"}}, DecodeError("m", 502)),
}


@pytest.mark.parametrize(("chunk", "want"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_keeps_its_message_status_and_kind_alone(chunk: dict[str, Any], want: DecodeError) -> None:
    assert is_error(chunk)
    assert fault(chunk) == want


@pytest.mark.parametrize("error", [{}, {"message": ""}, {"message": {"a": 1}}, {"message": None}, 7, True, ["x"]])
def test_an_error_without_a_message_says_what_to_do(error: Any) -> None:
    assert "ry again" in fault({"error": error}).message


def test_a_long_message_is_cut() -> None:
    assert fault({"error": {"message": "x" * 10_000}}).message == "x" * 500


@pytest.mark.parametrize(
    "chunk", [{}, {"error": None}, {"error": {}}, {"error": ""}, {"object": "chat.completion.chunk"}]
)
def test_a_chunk_whose_error_is_empty_is_none(chunk: dict[str, Any]) -> None:
    assert not is_error(chunk)
