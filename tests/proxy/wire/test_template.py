"""Chunks that differ in one text alone, read without parsing them whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.events import Text
from proxy.wire.openai import OpenAIDecoder
from proxy.wire.template import Template


def chunk(text: Any, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice], **members}


def learnt(example: dict[str, Any], text: str) -> Template:
    template = Template("content")
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


@pytest.mark.parametrize("inside", [b'a","x":"b', b'a"', b"a\\", b"\xff", b"a\nb", b'"', b"\\"])
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


def test_text_under_the_same_name_in_two_places_is_not_learnt() -> None:
    assert learnt(chunk("a", content="a"), "a").read(json.dumps(chunk("b", content="a")).encode()) is None


def test_it_gives_up_on_a_stream_whose_chunks_always_differ() -> None:
    template = Template("content")
    for number in range(100):
        template.learn(json.dumps(chunk("a", n=number)).encode(), "a")
        template.forget()
    template.learn(json.dumps(chunk("a")).encode(), "a")
    assert template.read(json.dumps(chunk("b")).encode()) is None


PIECES = st.one_of(
    st.text(max_size=6).map(chunk),
    st.tuples(st.text(max_size=3), st.sampled_from(["", "a", "Zz9"])).map(lambda p: chunk(p[0], obfuscation=p[1])),
    st.text(max_size=3).map(lambda text: {**chunk(text), "id": "c-2"}),
    st.sampled_from([0, 1]).map(
        lambda index: {**chunk("x"), "choices": [{"index": index, "delta": {"content": "y"}, "finish_reason": None}]}
    ),
    st.sampled_from([0, 1]).map(
        lambda index: {**chunk("x"), "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}
    ),
    st.just(chunk("x", usage={"prompt_tokens": 3, "completion_tokens": 1})),
    st.just({**chunk("x"), "unknown": [1]}),
)


def test_several_choices_in_turn_keep_their_texts_apart() -> None:
    decoder = OpenAIDecoder(True)
    for number in range(60):
        one = {**chunk("x"), "choices": [{"index": number % 2, "delta": {"content": f"{number}"}}]}
        assert list(decoder.decode(None, json.dumps(one).encode())) == [Text(number % 2, "content", f"{number}")]


@given(st.lists(PIECES, max_size=60), st.booleans())
def test_a_stream_is_decoded_as_if_each_chunk_were_parsed_whole(chunks: list[dict[str, Any]], guarded: bool) -> None:
    quick, plain = OpenAIDecoder(guarded), OpenAIDecoder(guarded)
    for one in chunks:
        data = json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass")
        plain._template = Template("content")
        assert list(quick.decode(None, data)) == list(plain.decode(None, data))


def test_most_chunks_of_a_usual_stream_are_read_so() -> None:
    decoder, read = OpenAIDecoder(True), 0
    for number in range(100):
        data = json.dumps(chunk(f"word {number} ")).encode()
        read += decoder._template.read(data) is not None
        assert list(decoder.decode(None, data)) == [Text(0, "content", f"word {number} ")]
    assert read == 99
