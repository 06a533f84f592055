"""LiteLLM's chunks, mended."""

from typing import Any

import pytest

from proxy.providers.litellm_chunks import Chunks, Cut


class Chunk:
    """Stands for LiteLLM's pydantic object."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members

    def model_dump(self, *, exclude_none: bool, warnings: bool) -> dict[str, Any]:
        assert exclude_none and not warnings
        return self.members


def calls(*pieces: dict[str, Any], choice: int = 0) -> Chunk:
    return Chunk({"choices": [{"index": choice, "delta": {"tool_calls": list(pieces)}}]})


def shown(chunks: Chunks, chunk: Chunk) -> Any:
    return chunks.plain(chunk)["choices"][0]["delta"]["tool_calls"]


def test_empty_members_are_left_out_but_not_choices() -> None:
    plain = Chunks().plain(Chunk({"id": "x", "choices": [], "vertex_ai_safety_ratings": [], "citations": None}))
    assert plain == {"id": "x", "choices": []}


def test_calls_that_run_at_the_provider_are_left_out_and_the_rest_counts_from_0() -> None:
    chunks = Chunks()
    assert shown(chunks, calls({"index": 0, "id": "srvtoolu_1"})) == []
    assert shown(chunks, calls({"index": 0, "function": {"arguments": "{}"}})) == []
    assert shown(chunks, calls({"index": 1, "id": "toolu_2"})) == [{"index": 0, "id": "toolu_2"}]
    assert shown(chunks, calls({"index": 1}, choice=1)) == [{"index": 1}]


def test_who_wants_one_call_gets_the_first_alone() -> None:
    chunks = Chunks(one_call=True)
    assert shown(chunks, calls({"index": 0, "id": "srvtoolu_1"}, {"index": 1, "id": "a"})) == [{"index": 0, "id": "a"}]
    assert shown(chunks, calls({"index": 1, "function": {}}, {"index": 2, "id": "b"})) == [{"index": 0, "function": {}}]
    assert shown(chunks, calls({"index": 2, "function": {}})) == []


def test_tokens_of_search_results_are_the_prompts() -> None:
    def usage(**details: int) -> Any:
        counts = {"prompt_tokens": 17, "completion_tokens": 5, "total_tokens": 22, "prompt_tokens_details": details}
        return Chunks().plain(Chunk({"choices": [], "usage": counts}))["usage"]

    searched = usage(web_search_requests=1, tool_use_tokens=102)
    assert (searched["prompt_tokens"], searched["total_tokens"]) == (119, 124)
    assert usage(tool_use_tokens=102)["prompt_tokens"] == 17


class Stream:
    """Stands for LiteLLM's stream."""

    def __init__(self) -> None:
        self.chunks: list[Any] = []
        self.response_uptil_now = "all so far"
        self.received_finish_reason: str | None = None
        self.intermittent_finish_reason: str | None = None


def test_signed_thoughts_in_pieces_are_one_block_again() -> None:
    def piece(**members: Any) -> Chunk:
        delta = {"thinking_blocks": [{**members, "index": 0}]}
        copy = {"thinking_blocks": [members]}
        return Chunk({"choices": [{"index": 0, "delta": {**delta, "provider_specific_fields": copy}}]})

    chunks = Chunks(Stream())
    told = [
        piece(type="thinking", thinking="I "),
        piece(type="thinking", thinking="see."),
        piece(type="thinking", thinking="", signature="c2ln"),
        piece(type="redacted_thinking", data="b3Bh"),
    ]
    signed = {"type": "thinking", "thinking": "I see.", "signature": "c2ln"}
    hidden = {"type": "redacted_thinking", "data": "b3Bh"}
    assert [chunks.plain(chunk)["choices"][0]["delta"] for chunk in told] == [
        {},
        {},
        {"thinking_blocks": [signed]},
        {"thinking_blocks": [hidden]},
    ]


class Kept:
    """A chunk as LiteLLM's stream keeps it."""

    def __init__(self, usage: Any = None) -> None:
        self.usage = usage


COUNTED = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}


def test_usage_that_the_provider_has_not_told_is_left_out() -> None:
    stream = Stream()
    chunks = Chunks(stream)
    stream.chunks.append(Kept())
    assert "usage" not in chunks.plain(Chunk(dict(COUNTED)))
    stream.chunks.append(Kept(usage={}))
    assert "usage" in chunks.plain(Chunk(dict(COUNTED)))


def test_litellms_stream_keeps_no_more_than_it_needs() -> None:
    stream = Stream()
    chunks = Chunks(stream)
    for _ in range(1000):
        stream.chunks.append(Kept())
        stream.response_uptil_now += "more"
        chunks.plain(Chunk({"choices": [{"index": 0, "delta": {"content": "more"}}]}))
    stream.chunks.append(Kept(usage={}))
    assert (len(stream.chunks), stream.response_uptil_now) == (1, "")


def test_an_end_that_the_provider_has_not_told_is_none() -> None:
    ending = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    stream = Stream()
    with pytest.raises(Cut):
        Chunks(stream).plain(Chunk(dict(ending)))
    stream.intermittent_finish_reason = "stop"
    assert Chunks(stream).plain(Chunk(dict(ending)))["choices"][0]["finish_reason"] == "stop"


def test_a_stream_of_another_kind_is_taken_as_it_is() -> None:
    assert "usage" in Chunks(object()).plain(Chunk(dict(COUNTED)))
