"""The parts of half-known structures that pass a guarded chain."""

from typing import Any

import pytest

from proxy.formats.openai_chat.guard import images, numbers, signatures, thinking_blocks


def test_only_numbers_pass_at_any_depth() -> None:
    given = {"a": 1, "b": 0.5, "c": "text", "d": True, "e": None, "f": [1], "g": {"h": 2, "i": "x"}, "j": {"k": "x"}}
    assert numbers(given) == {"a": 1, "b": 0.5, "g": {"h": 2}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"signature": "s", "text": "x"}, {"signature": "s"}),
        ({"thought_signatures": ["s", "t"]}, {"thought_signatures": ["s", "t"]}),
        (
            {"google": {"thought_signature": "s", "thought": "x"}, "other": {"thought": "x"}},
            {"google": {"thought_signature": "s"}},
        ),
        ({"signature": "a text", "thought_signatures": ["s", "密"], "thought_signature": "a@b.com"}, {}),
        ({"signature": {"text": "x"}, "thought_signatures": [{"text": "x"}], "thought_signature": 7}, {}),
    ],
)
def test_only_signatures_pass_at_any_depth(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert signatures(given) == kept


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (
            {"type": "thinking", "thinking": "Hm.", "signature": "s=", "text": "x"},
            {"signature": "s=", "thinking": "Hm."},
        ),
        ({"type": "redacted_thinking", "data": "c2ln", "text": "x"}, {"data": "c2ln"}),
        ({"type": "redacted_thinking", "data": "a text"}, None),
        ({"type": "thinking", "thinking": "Hm.", "signature": "a text"}, None),
        ({"type": "thinking", "signature": "s"}, None),
        ("text", None),
    ],
)
def test_a_block_of_thought_is_its_text_and_a_signature(given: Any, kept: dict[str, Any] | None) -> None:
    assert thinking_blocks([given]) == ([] if kept is None else [{"type": given["type"], **kept}])


@pytest.mark.parametrize("url", ["data:image/png;base64,aGk=", "https://example.com/a.png"])
def test_an_image_is_its_address_alone(url: str) -> None:
    image = {"type": "image_url", "image_url": {"url": url}}
    assert images([image | {"text": "x", "image_url": {"url": url, "alt": "x"}}]) == [image]


@pytest.mark.parametrize("url", ["data:image/png;base64,a text", "data:text/plain,a text", "a text", None])
def test_what_is_no_image_does_not_pass_as_one(url: str | None) -> None:
    assert images([{"type": "image_url", "image_url": {"url": url}}, "text"]) == []
