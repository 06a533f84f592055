"""Chunks that differ in one text alone, read without parsing them whole."""

import json
from typing import Any

import pytest

from proxy.formats.template import Template


def chunk(text: Any, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice], **members}


def learnt(example: dict[str, Any], text: str) -> Template:
    template = Template()
    template.learn(json.dumps(example).encode(), text)
    return template


@pytest.mark.parametrize("text", ["x", "臺北 🙂", 'a "quote" \\ \n', "\u2028", "é" * 1000, "9" * 40, "\\u0041"])
@pytest.mark.parametrize("ascii", [True, False])
def test_a_chunk_with_another_text_is_read(text: str, ascii: bool) -> None:
    data = json.dumps(chunk(text), ensure_ascii=ascii).encode()
    assert learnt(chunk('first "one"'), 'first "one"').read(data) == text


def test_a_lone_surrogate_is_read_as_it_is_by_the_parser() -> None:
    assert learnt(chunk("a"), "a").read(json.dumps(chunk("\ud83d")).encode()) == "\ud83d"


@pytest.mark.parametrize(
    "other",
    [
        chunk("x", usage={"prompt_tokens": 1}),
        chunk("x", id="c-2"),
        chunk(None),
        chunk(""),
        chunk(["x"]),
        {**chunk("x"), "choices": [{"index": 1, "delta": {"content": "x"}, "logprobs": None, "finish_reason": None}]},
        {**chunk("x"), "choices": [{"index": 0, "delta": {"content": "x"}, "logprobs": None, "finish_reason": "stop"}]},
        {"error": {"message": "x"}},
    ],
)
def test_a_chunk_that_differs_in_more_is_left_to_the_parser(other: dict[str, Any]) -> None:
    assert learnt(chunk("a"), "a").read(json.dumps(other).encode()) is None


@pytest.mark.parametrize("inside", [b'a","x":"b', b'a"', b"a\\", b"a\nb", b'"', b"\\"])
def test_what_is_no_string_literal_in_the_texts_place_is_left_to_the_parser(inside: bytes) -> None:
    before, after = json.dumps(chunk("MARK")).encode().split(b"MARK")
    assert learnt(chunk("a"), "a").read(before + inside + after) is None


def test_openais_padding_may_differ() -> None:
    template = learnt(chunk("a", obfuscation="Xy1"), "a")
    for padding in ("", "z", "Abc123"):
        assert template.read(json.dumps(chunk("b", obfuscation=padding)).encode()) == "b"
    assert template.read(json.dumps(chunk("b", obfuscation="!")).encode()) is None
    assert template.read(json.dumps(chunk("b", obfuscation="z", more=1)).encode()) is None
    assert template.read(json.dumps(chunk('b"},"obfuscation": "z', obfuscation="z")).encode()) in (
        None,
        'b"},"obfuscation": "z',
    )


@pytest.mark.parametrize("member", ["content", "text", "reasoning_content", "reasoning", "thinking", "refusal"])
def test_text_in_two_places_is_not_learnt(member: str) -> None:
    example, other = chunk("a") | {member: "a"}, chunk("b") | {member: "a"}
    assert learnt(example, "a").read(json.dumps(other).encode()) is None


@pytest.mark.parametrize("member", ["content", "text", "reasoning_content", "reasoning", "thinking", "refusal"])
def test_text_is_read_in_whatever_member_a_provider_has_it(member: str) -> None:
    assert learnt({"delta": {member: "a"}}, "a").read(json.dumps({"delta": {member: "b"}}).encode()) == "b"


def test_it_gives_up_on_a_stream_whose_chunks_always_differ() -> None:
    template = Template()
    for number in range(100):
        template.learn(json.dumps(chunk("a", n=number)).encode(), "a")
        template.forget()
    template.learn(json.dumps(chunk("a")).encode(), "a")
    assert template.read(json.dumps(chunk("b")).encode()) is None
