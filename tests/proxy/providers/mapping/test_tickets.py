"""Arguments and results of tools that do not go through LiteLLM's mapping themselves."""

import json
from typing import Any

import pytest

from policies.work import OverBudget
from proxy.providers.anthropic import anthropic_request
from proxy.providers.gemini import gemini_request
from proxy.providers.mapping.tickets import MAX_VALUES, Tickets
from tests.proxy.providers.calls import call

MANY = '{"a": [' + "1," * MAX_VALUES + "1]}"


def test_a_ticket_is_exchanged_for_the_value() -> None:
    tickets = Tickets()
    first, second = tickets.arguments('{"a": 1}', "here"), tickets.arguments('{"a": 1}', "here")
    assert first is not None and second is not None and first != second
    assert tickets.exchanged(json.loads(second)) == {"a": 1}


@pytest.mark.parametrize("value", [None, [], "x", {}, {"": 1}, {"": -1}, {"": "0"}, {"": 0, "a": 1}, {"a": 0}])
def test_anything_else_stays(value: Any) -> None:
    tickets = Tickets()
    tickets.arguments("{}", "here")
    assert tickets.exchanged(value) == value


@pytest.mark.parametrize(
    "text", ["", "[1]", '"x"', "null", '{"a":', "{} {}", "[" * 50_000, '{"a":' * 200 + "1" + "}" * 200]
)
def test_what_is_not_the_text_of_an_object_has_none(text: str) -> None:
    assert Tickets().arguments(text, "here") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {"content": ""}),
        ("sunny", {"content": "sunny"}),
        (' {"a": 1}', {"a": 1}),
        ("[1]", {"content": "[1]"}),
        ('{"a":', {"content": '{"a":'}),
        (MANY, {"content": MANY}),
    ],
)
def test_a_result_is_an_object_or_a_text(text: str, value: Any) -> None:
    tickets = Tickets()
    assert tickets.exchanged(json.loads(tickets.result(text, "here"))) == value


def test_without_tickets_the_texts_go_themselves() -> None:
    tickets = Tickets(used=False)
    assert (tickets.arguments('{"a": 1}', "here"), tickets.result("x", "here")) == ('{"a": 1}', "x")
    with pytest.raises(OverBudget) as refused:
        tickets.result(MANY, "messages[1].content")
    assert refused.value.place == "messages[1].content"


def test_the_values_of_all_arguments_are_bounded_together() -> None:
    tickets, half = Tickets(), '{"a": [' + "1," * (MAX_VALUES // 2) + "1]}"
    assert tickets.arguments(half, "first") is not None
    assert tickets.arguments('{"text": "' + "," * MAX_VALUES + '"}', "text") is not None
    with pytest.raises(OverBudget) as refused:
        tickets.arguments(half, "second")
    assert refused.value.place == "second"


def conversation(*arguments: str, result: str = "x") -> list[dict[str, Any]]:
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": text}}
        for i, text in enumerate(arguments)
    ]
    told = [{"role": "tool", "tool_call_id": f"c{i}", "content": result} for i in range(len(arguments))]
    return [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": calls}, *told]


def test_gemini_gets_all_calls_of_a_turn_those_that_are_equal_too() -> None:
    messages = conversation('{"a": 1}', '{"a": 1}', '{"": 0}', result='{"": 0}')
    body = json.loads(gemini_request(call("gemini", {"messages": messages})).body)
    assert [part["function_call"]["args"] for part in body["contents"][1]["parts"]] == [{"a": 1}, {"a": 1}, {"": 0}]
    assert [part["function_response"]["response"] for part in body["contents"][2]["parts"]] == [{"": 0}] * 3


def test_anthropic_gets_the_arguments_and_the_texts_of_results() -> None:
    messages = conversation('{"a": 1}', '{"": 0}', result='{"": 0}')
    body = json.loads(anthropic_request(call("anthropic", {"messages": messages})).body)
    assert [block["input"] for block in body["messages"][1]["content"]] == [{"a": 1}, {"": 0}]
    assert [block["content"] for block in body["messages"][2]["content"]] == ['{"": 0}'] * 2
