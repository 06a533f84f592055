"""A request's needs, and the missing capabilities of a target."""

from typing import Any

import pytest

from proxy.config.models import Target
from proxy.config.resolve import ResolvedTarget
from proxy.formats.openai_chat.operation import CHAT
from proxy.routing.capabilities import lack, needs
from tests.proxy.routing.places import place


def part(kind: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": kind}]}]}


TEXT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": None}]}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (TEXT, set()),
        (part("image_url"), {"images"}),
        (part("input_audio"), {"audio"}),
        (part("file"), {"files"}),
        ({**TEXT, "tools": [{"type": "function"}]}, {"tools"}),
        ({**TEXT, "functions": [{"name": "f"}]}, {"tools"}),
        ({**TEXT, "tools": []}, set()),
        ({**TEXT, "response_format": SCHEMA}, {"json_schema"}),
        ({**TEXT, "response_format": {"type": "json_object"}}, set()),
    ],
)
def test_a_request_needs_what_is_in_it(body: dict[str, Any], needed: set[str]) -> None:
    assert needs(CHAT, body, 100).abilities == needed


@pytest.mark.parametrize(
    ("target", "body", "reason"),
    [
        ("openai/gpt-4o-mini", part("image_url"), None),
        ("openai/gpt-4o-mini", part("input_audio"), "takes no audio"),
        ("openai/gpt-3.5-turbo", part("image_url"), "takes no images"),
        ("openai/gpt-4", {**TEXT, "response_format": SCHEMA}, "takes no response_format json_schema"),
        ("anthropic/claude-sonnet-4-5", part("file"), None),
        ("gemini/gemini-2.5-flash", part("input_audio"), None),
        ("openai/unheard-of", part("image_url"), None),
        ("local/gpt-3.5-turbo", part("image_url"), None),  # some other server's model of that name
    ],
)
def test_a_target_lacks_what_litellms_table_denies_it(target: str, body: dict[str, Any], reason: str | None) -> None:
    found = lack(needs(CHAT, body, 100), place(target))
    assert (found and found.reason) == reason


def test_what_the_configuration_says_of_a_target_goes_before_the_table() -> None:
    assert lack(needs(CHAT, part("image_url"), 100), own("openai/gpt-3.5-turbo", supports=["images"])) is None
    found = lack(needs(CHAT, part("image_url"), 100), own("openai/gpt-4o", supports=["tools"]))
    assert found is not None and found.reason == "takes no images"
    assert lack(needs(CHAT, TEXT, 10_000), own("openai/unheard-of", context_window=1)) is not None


def own(name: str, **members: Any) -> ResolvedTarget:
    return place(name, Target.model_validate({"target": name, **members}))


def test_a_prompt_longer_than_the_window_does_not_fit() -> None:
    long = {"messages": [{"role": "user", "content": "word " * 10_000}]}
    found = lack(needs(CHAT, long, 50_000), place("openai/gpt-4"))
    assert found is not None and found.window and "takes a prompt of 8192 tokens" in found.reason
    assert lack(needs(CHAT, long, 50_000), place("openai/gpt-4o")) is None


def test_a_prompt_with_fewer_bytes_than_the_window_has_tokens_is_not_even_estimated() -> None:
    asked = needs(CHAT, {"messages": [{"role": "user", "content": "word " * 10_000}]}, 8192)
    assert lack(asked, place("openai/gpt-4")) is None
