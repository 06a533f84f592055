"""Reported cases of Anthropic's and Gemini's formats."""

from collections.abc import Sequence

from tests.end_to_end.reported.case import (
    DONE,
    SAID,
    TOOL,
    USER,
    WEATHER,
    WHOLE,
    Case,
    claude,
    ended,
    event,
    gemini,
    said,
)

CLAUDES: Sequence[Case] = [
    Case(
        "OpenAI's mark in place of a message_stop",
        "huggingface/tau/pull/692",
        claude(*said("Once upon"), ended(), stop=False) + DONE,
        WHOLE,
        "anthropic",
    ),
    Case(
        "an event without data",
        "anthropics/anthropic-sdk-typescript/issues/292",
        b"event: content_block_delta\n\n" + claude(*said("Once upon"), ended()),
        WHOLE,
        "anthropic",
    ),
    Case(
        "an empty list of calls makes up no tool",
        "anomalyco/opencode/issues/8246",
        claude(*said("Once upon"), ended()),
        SAID,
        "anthropic",
        asked={"messages": [USER, {"role": "assistant", "content": "x", "tool_calls": []}, USER]},
        sent=lambda body: "tools" not in body,
    ),
    Case(
        "a reminder of the system's in the middle",
        "",
        claude(*said("Once upon"), ended()),
        SAID,
        "anthropic",
        asked={
            "messages": [USER, {"role": "assistant", "content": "x"}, {"role": "system", "content": "be brief"}, USER]
        },
        sent=lambda body: (
            [p["text"] for m in body["messages"] for p in m["content"]] == ["hello", "x", "hello"]
            and body["system"][0]["text"] == "be brief"
        ),
    ),
    Case(
        "an upper-case media type, and lines in base64",
        "",
        claude(*said("Once upon"), ended()),
        SAID,
        "anthropic",
        asked={
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:IMAGE/PNG;charset=x;base64,AA\nAA"}}],
                }
            ]
        },
        sent=lambda body: (
            body["messages"][0]["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}
        ),
    ),
]

GEMINIS: Sequence[Case] = [
    Case(
        "a reason that is not yet one",
        "",
        gemini({"text": "Once "}, reason="FINISH_REASON_UNSPECIFIED") + gemini({"text": "upon"}),
        WHOLE,
        "gemini",
    ),
    Case(
        "calls before the reason",
        "BerriAI/litellm/pull/31634",
        gemini({"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}, reason=None) + gemini({"text": ""}),
        {"calls": WEATHER, "finish": "tool_calls"},
        "gemini",
    ),
    Case(
        "a module before the name",
        "",
        gemini({"functionCall": {"name": "default_api.weather", "args": {"city": "Oslo"}}}),
        {"calls": WEATHER, "finish": "tool_calls"},
        "gemini",
        asked={"tools": [TOOL]},
    ),
    Case(
        "a candidate without content",
        "BerriAI/litellm/pull/40252",
        event(
            {
                "candidates": [{"index": 0, "finishReason": "MAX_TOKENS"}],
                "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 9},
            }
        ),
        {"finish": "length", "tokens": (4, 5), "done": True},
        "gemini",
    ),
    Case("OpenAI's mark", "huggingface/tau/pull/692", gemini({"text": "Once upon"}) + DONE, WHOLE, "gemini"),
]
