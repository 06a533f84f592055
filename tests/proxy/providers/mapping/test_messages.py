"""The conversation made ready for LiteLLM; mistakes are named by their place."""

from typing import Any

import pytest

from policies.work import OverBudget, Work
from proxy.errors import InvalidRequest
from proxy.providers.mapping import messages as preparing
from proxy.providers.mapping.content import ANTHROPIC, GEMINI, Rules
from proxy.providers.mapping.messages import MAX_PAIRS
from proxy.providers.mapping.tickets import Tickets


def prepared(messages: Any, rules: Rules) -> list[dict[str, Any]]:
    """With the texts of arguments and results in their places, as for LiteLLM's own calls."""
    return preparing.prepared(messages, rules, Tickets(used=False), Work())


def called(id: Any = "c1", name: Any = "f", arguments: Any = "{}", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def asked(*calls: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def refused(messages: Any, rules: Rules = ANTHROPIC) -> str:
    with pytest.raises(InvalidRequest) as caught:
        prepared(messages, rules)
    return caught.value.param or ""


def test_roles_and_copies() -> None:
    messages = [{"role": "developer", "content": "a"}, {"role": "user", "content": "b", "name": "n"}]
    ready = prepared(messages, ANTHROPIC)
    assert ready == [{"role": "system", "content": "a"}, {"role": "user", "content": "b", "name": "n"}]
    assert messages[0]["role"] == "developer"


@pytest.mark.parametrize("arguments", ["", "  ", None])
def test_no_arguments_are_an_empty_object(arguments: Any) -> None:
    [message] = prepared([asked(called(arguments=arguments))], GEMINI)
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", '"x"', "null", 7, {"a": 1}, "[" * 50_000])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    messages = [{"role": "user", "content": "x"}, asked(called(), called("c2", arguments=arguments))]
    assert refused(messages) == "messages[1].tool_calls[1].function.arguments"


def test_a_result_gets_the_name_of_its_call() -> None:
    result = {"role": "tool", "tool_call_id": "c2", "content": None}
    ready = prepared([asked(called("c1", "a"), called("c2", "b")), result], GEMINI)
    assert ready[1] == {**result, "name": "b", "content": ""}


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("x", "messages"),
        (["x"], "messages[0].role"),
        ([{"role": "narrator", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "messages[0].content[0]"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": "tool", "tool_call_id": "c9", "content": "x"}], "messages[0].tool_call_id"),
        ([asked(called(id=None))], "messages[0].tool_calls[0].id"),
        ([asked(called(name=""))], "messages[0].tool_calls[0].function.name"),
        ([asked({"id": "c", "type": "custom", "custom": {}})], "messages[0].tool_calls[0].type"),
        ([asked(7)], "messages[0].tool_calls[0].type"),
        ([{"role": "assistant", "tool_calls": {}}], "messages[0].tool_calls"),
        ([{"role": "assistant", "content": [{"type": "audio"}]}], "messages[0].content[0]"),
    ],
)
def test_mistakes_are_named_by_their_place(messages: Any, param: str) -> None:
    for rules in (ANTHROPIC, GEMINI):
        assert refused(messages, rules) == param


def test_openais_old_function_calls_go_to_gemini_alone() -> None:
    messages = [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "x"},
    ]
    assert prepared(messages, GEMINI)[0]["function_call"] == {"name": "f", "arguments": "{}"}
    assert refused(messages) == "messages[0].function_call"
    assert refused(messages[1:]) == "messages[0].role"


def test_thinking_among_the_parts_goes_where_litellm_sends_it_back_from() -> None:
    thinking = [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "d"}]
    text = {"type": "text", "text": "x"}
    [message] = prepared([{"role": "assistant", "content": [*thinking, text]}], ANTHROPIC)
    assert message["thinking_blocks"] == thinking
    assert message["content"] == [text]


def test_pictures_of_the_assistants() -> None:
    def shown(url: str) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": "x", "images": [{"image_url": {"url": url}}]}]

    assert "images" in prepared(shown("data:image/png;base64,AAAA"), GEMINI)[0]
    assert refused(shown("https://example.com/a.png"), GEMINI) == "messages[0].images[0].url"
    assert "images" not in prepared(shown("https://example.com/a.png"), ANTHROPIC)[0]


def test_null_calls_are_no_calls() -> None:
    [message] = prepared([{"role": "assistant", "content": "x", "tool_calls": None, "function_call": None}], ANTHROPIC)
    assert message == {"role": "assistant", "content": "x"}


@pytest.mark.parametrize("kind", [None, [], {}, 7, "text", "tool_use"])
def test_thinking_blocks_are_of_their_own_types(kind: Any) -> None:
    messages = [{"role": "assistant", "content": "x", "thinking_blocks": [{"type": kind, "thinking": "t"}]}]
    assert refused(messages) == "messages[0].thinking_blocks[0].type"


# ---- pairs
def turns(calls: int, messages: int = 1) -> list[dict[str, Any]]:
    """One turn with so many calls, in so many messages."""
    each = calls // messages
    return [asked(*(called(f"c{i}-{j}") for j in range(each))) for i in range(messages)]


def over(messages: list[dict[str, Any]], rules: Rules = GEMINI) -> str:
    with pytest.raises(OverBudget) as caught:
        preparing.prepared(messages, rules, Tickets(), Work(10**9))
    return caught.value.place


def test_the_calls_of_a_turn_are_bounded_however_they_are_spread() -> None:
    assert len(prepared(turns(500), GEMINI)) == 1
    assert over(turns(2_000)) == "messages[0]"
    assert over(turns(2_000, 500)).startswith("messages[")
    apart = [message for turn in turns(2_000, 500) for message in (turn, {"role": "user", "content": "x"})]
    assert len(preparing.prepared(apart, GEMINI, Tickets(), Work())) == 1_000


def test_calls_beside_many_parts_or_results_are_bounded() -> None:
    parts = [{"type": "text", "text": "x"}] * 5_000
    assert over([{**asked(*(called(f"c{i}") for i in range(500))), "content": parts}]) == "messages[0]"
    results = [{"role": "tool", "tool_call_id": "c0-0", "content": "x"}] * 3_000
    assert over([*turns(500), *results]).startswith("messages[")


def test_results_of_the_providers_own_tools_are_bounded() -> None:
    fields = {"provider_specific_fields": {"tool_results": [{}] * 5_000}}
    assert over([{**asked(*(called(f"srvtoolu_{i}") for i in range(500))), **fields}], ANTHROPIC) == "messages[0]"


def test_long_arguments_count_where_they_are_compared() -> None:
    long = [called(f"c{i}", arguments='{"a": "' + "x" * 20_000 + '"}') for i in range(100)]
    with pytest.raises(OverBudget):
        preparing.prepared([asked(*long)], GEMINI, Tickets(used=False), Work(10**9))
    assert len(preparing.prepared([asked(*long)], GEMINI, Tickets(), Work())) == 1


def test_pairs_are_taken_from_the_requests_budget() -> None:
    work = Work(MAX_PAIRS // 2)
    with pytest.raises(OverBudget):
        preparing.prepared(turns(900), GEMINI, Tickets(), work)
