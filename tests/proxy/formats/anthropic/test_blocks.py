"""The blocks of an Anthropic message: which are content, reasoning, calls or attachments, and which are left out."""

import json
from typing import Any

import pytest

from policies.events import Attachment, Finish, Opaque, Text, ToolCall
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import DecodeError
from proxy.formats.fields import UNREADABLE
from tests.proxy.formats.anthropic_events import (
    CITATION,
    PAGE,
    SEARCH,
    THINKING,
    call,
    closed,
    delta,
    ended,
    opened,
    seen,
    text,
)
from tests.proxy.formats.folding import Call, play


def test_text_in_a_blocks_start_is_not_lost() -> None:
    assert (
        seen(opened(0, type="text", text="Hi"), delta(0, "text_delta", text=" there"), *ended()).content == "Hi there"
    )


def test_a_thinking_block_is_reasoning_and_once_more_whole_with_its_signature() -> None:
    events = play(AnthropicDecoder(guarded=True), [*THINKING, *text(1, "Yes")])
    block = {"type": "thinking", "thinking": "Let me think.", "signature": "c2lnbmVk"}
    assert events == [
        Text(0, "reasoning", "Let me "),
        Text(0, "reasoning", "think."),
        Attachment(0, "thinking_blocks", [block]),
        Text(0, "content", "Yes"),
    ]


def test_a_signed_thinking_block_without_text_is_kept() -> None:
    got = seen(THINKING[0], *THINKING[3:], *ended())
    assert got.attached[0, "thinking_blocks"] == [{"type": "thinking", "thinking": "", "signature": "c2lnbmVk"}]


def test_an_unsigned_thinking_block_is_reasoning_only_because_the_provider_would_refuse_it() -> None:
    got = seen(*THINKING[:3], THINKING[4], *ended())
    assert (got.reasoning, got.attached) == ("Let me think.", {})


def test_a_thinking_block_too_long_to_keep_goes_on_as_reasoning_without_its_signature() -> None:
    piece = "x" * (1 << 20)
    got = seen(THINKING[0], *[delta(0, "thinking_delta", thinking=piece)] * 5, *THINKING[3:], *ended())
    assert (len(got.reasoning), got.attached) == (5 << 20, {})


def test_redacted_thinking_is_kept_for_the_next_turn() -> None:
    got = seen(opened(0, type="redacted_thinking", data="b3BhcXVl"), closed(0), *ended())
    assert got.attached[0, "thinking_blocks"] == [{"type": "redacted_thinking", "data": "b3BhcXVl"}]


def test_tool_calls_come_in_pieces_and_are_counted_without_the_blocks_around_them() -> None:
    events = [*text(0, "Sure"), *SEARCH, *call(3, "t1", "f", "", '{"a"', ":1}"), *call(4, "t2", "g", "{}")]
    got = play(AnthropicDecoder(guarded=True), [*events, *ended("tool_use")])
    assert [e for e in got if isinstance(e, ToolCall | Finish)] == [
        ToolCall(0, 0, "t1", "f"),
        ToolCall(0, 0, arguments='{"a"'),
        ToolCall(0, 0, arguments=":1}"),
        ToolCall(0, 1, "t2", "g"),
        ToolCall(0, 1, arguments="{}"),
        Finish(0, "tool_calls"),
    ]


@pytest.mark.parametrize("input", [{}, {"city": "Paris", "n": 12345678901234567890123, "s": "\ud800"}])
def test_arguments_that_were_not_streamed_come_whole_at_the_blocks_stop(input: Any) -> None:
    got = seen(*call(0, "t1", "f", "", input=input), *ended("tool_use"))
    assert json.loads(got.calls[0, 0].arguments) == input


def test_arguments_come_even_when_the_message_ends_before_the_block() -> None:
    assert seen(call(0, "t1", "f")[0], *ended("tool_use")).calls[0, 0].arguments == "{}"


def test_a_call_without_a_name_is_a_fault_because_the_client_could_not_run_it() -> None:
    assert seen(opened(0, type="tool_use", id="t1", input={}), *ended()).end == UNREADABLE


def test_tool_names_that_were_changed_for_the_provider_are_the_clients_again() -> None:
    got = seen(*call(0, "t1", "a_b"), *call(1, "t2", "c"), *ended("tool_use"), tool_names={"a_b": "a/b"})
    assert [c.name for c in got.calls.values()] == ["a/b", "c"]


def test_the_forced_json_tool_is_content_and_the_answer_stops() -> None:
    got = seen(*call(0, "t1", "json_tool_call", '{"a"', ": 1}"), *ended("tool_use"), json_tool=True)
    assert (got.content, got.calls, got.finish) == ('{"a": 1}', {}, {0: "stop"})


def test_the_forced_json_tool_called_with_its_input_whole_is_content_too() -> None:
    got = seen(*call(0, "t1", "json_tool_call", input={"a": 1}), *ended("tool_use"), json_tool=True)
    assert json.loads(got.content) == {"a": 1}


def test_beside_the_json_tool_other_calls_are_calls() -> None:
    events = [*call(0, "t1", "json_tool_call", "{}"), *call(1, "t2", "f", "{}"), *ended("tool_use")]
    got = seen(*events, json_tool=True)
    assert got.calls == {(0, 0): Call("t2", "f", "{}")}
    assert (got.content, got.finish) == ("{}", {0: "tool_calls"})


def test_a_clients_own_tool_of_the_json_tools_name_is_a_call() -> None:
    got = seen(*call(0, "t1", "json_tool_call", "{}"), *ended("tool_use"))
    assert (got.content, got.calls) == ("", {(0, 0): Call("t1", "json_tool_call", "{}")})


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
def test_the_providers_own_tools_are_never_calls_or_content(kind: str) -> None:
    events = [
        {**e, "content_block": {**e["content_block"], "type": kind}} if "content_block" in e else e for e in SEARCH
    ]
    got = seen(*events[:3], *ended("tool_use"), guarded=False)
    assert (got.calls, got.text, got.opaque, got.finish) == ({}, {}, [], {0: "stop"})


def test_other_blocks_are_kept_for_a_chain_without_guards_only() -> None:
    unknown = [opened(3, type="hologram", data="x"), closed(3)]
    assert seen(*SEARCH, *unknown, *ended()).opaque == []
    assert seen(*SEARCH, *unknown, *ended(), guarded=False).opaque == [
        Opaque(0, "delta", {"provider_parts": [{**SEARCH[3]["content_block"], "index": 0}]}),
        Opaque(0, "delta", {"provider_parts": [{"type": "hologram", "data": "x", "index": 1}]}),
    ]


def test_a_compaction_is_kept_as_litellm_takes_it_back() -> None:
    events = [
        opened(0, type="compaction", content=None),
        delta(0, "compaction_delta", content="sum"),
        closed(0),
        *ended(),
    ]
    block = {"type": "compaction", "content": "sum"}
    fields = {"provider_specific_fields": {"compaction_blocks": [block]}}
    assert seen(*events, guarded=False).opaque == [Opaque(0, "delta", fields)]
    assert seen(*events).opaque == []


def test_a_cited_text_block_is_annotated_with_its_place_in_the_content() -> None:
    cited = opened(1, type="text", text="", citations=[])
    events = [*text(0, "It is "), cited, delta(1, "citations_delta", citation=CITATION)]
    events += [delta(1, "text_delta", text="about 70°"), delta(1, "citations_delta", citation=CITATION), closed(1)]
    got = seen(*events, *ended())
    citation = {"url": "https://a.example/", "title": "A", "start_index": 6, "end_index": 15}
    assert got.attached[0, "annotations"] == [
        {"type": "url_citation", "url_citation": citation, "index": 0},
        {"type": "url_citation", "url_citation": citation, "index": 1},
    ]
    assert got.content[6:15] == "about 70°"


def test_citations_without_a_url_keep_litellms_spelling_for_a_chain_without_guards() -> None:
    events = [*text(0, "x", citations=[PAGE, "rubbish", None]), *ended()]
    assert seen(*events, guarded=False).opaque == [Opaque(0, "delta", {"provider_specific_fields": {"citation": PAGE}})]
    assert seen(*events).opaque == []


def test_blocks_that_never_stop_are_bounded() -> None:
    end = seen(*(call(i, f"t{i}", "f")[0] for i in range(1000)), *ended()).end
    assert isinstance(end, DecodeError)
