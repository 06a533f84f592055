"""The answer of each model, and its reaction to tools, schemas and limits."""

import json
from typing import Any

import pytest

from proxy.simulator import Answer, Ask, samples
from proxy.simulator.answers import tokens_in
from proxy.simulator.asks import ToolSpec
from proxy.simulator.models import LONG_TOKENS, MODELS, limited, react

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = (ToolSpec("weather", SCHEMA), ToolSpec("time", {}), ToolSpec("third", {}))


def ask(**members: Any) -> Ask:
    return Ask("openai", "m", stream=True, **members)


def answer(model: str, request: Ask) -> Answer:
    return limited(react(MODELS[model](request), request), request)


@pytest.mark.parametrize(
    ("model", "holds"),
    [
        ("sim", "4111 1111 1111 1111"),
        ("sim-chat", "alice@example.com"),
        ("sim-zh", "身分證"),
        ("sim-secrets", "sk-proj-"),
        ("sim-code", "eval("),
        ("sim-reasoning", "Hello"),
    ],
)
def test_a_model_says_what_policies_look_for(model: str, holds: str) -> None:
    assert holds in str(answer(model, ask()).text)


def test_reasoning_refusal_length_and_echo() -> None:
    assert answer("sim-reasoning", ask()).reasoning == samples.REASONING
    assert answer("sim-refusal", ask()).refusal == samples.REFUSAL
    assert tokens_in(str(answer("sim-long", ask()).text)) == LONG_TOKENS
    assert answer("sim-echo", ask(prompt="say this")).text == "say this"


def test_the_first_tools_are_called_with_arguments_that_fit_their_schemas() -> None:
    calls = answer("sim-tools", ask(tools=TOOLS)).tools
    assert [call.name for call in calls] == ["weather", "time"]
    arguments = json.loads(calls[0].arguments)
    assert isinstance(arguments["city"], str) and isinstance(arguments["days"], int)


@pytest.mark.parametrize(
    ("members", "called"),
    [
        ({"parallel": False}, ["weather"]),
        ({"tool_choice": "none"}, []),
        ({"tool_choice": "third", "forced": True}, ["third"]),
        ({"tool_results": ("sunny",)}, []),
    ],
)
def test_the_request_s_choice_of_tools_holds(members: dict[str, Any], called: list[str]) -> None:
    assert [call.name for call in answer("sim-tools", ask(tools=TOOLS, **members)).tools] == called


@pytest.mark.parametrize("members", [{"tool_choice": "required"}, {"tool_choice": "weather", "forced": True}])
def test_every_model_calls_a_tool_that_it_must_call(members: dict[str, Any]) -> None:
    assert answer("sim", ask(tools=TOOLS, **members)).tools[0].name == "weather"
    assert answer("sim", ask(tools=TOOLS)).tools == ()


def test_tool_results_are_quoted() -> None:
    assert str(answer("sim-tools", ask(tool_results=("sunny", "noon"))).text).startswith("The tool said: sunny | noon")


@pytest.mark.parametrize("model", ["sim", "sim-json", "sim-secrets"])
def test_json_is_given_where_json_is_asked(model: str) -> None:
    value = json.loads(str(answer(model, ask(schema=SCHEMA)).text))
    assert value.keys() == {"city", "days"}
    assert isinstance(json.loads(str(answer(model, ask(schema={})).text)), dict)


def test_sim_json_gives_json_unasked() -> None:
    assert isinstance(json.loads(str(answer("sim-json", ask()).text)), dict)


def test_thoughts_are_shown_when_asked_for() -> None:
    assert answer("sim", ask(thinks=True)).reasoning and not answer("sim", ask()).reasoning


def test_an_answer_stops_at_the_request_s_limit() -> None:
    cut = answer("sim", ask(max_tokens=3))
    assert (cut.text, cut.finish_reason) == (samples.CHAT[:12], "length")
    assert answer("sim", ask(max_tokens=10_000)).finish_reason == "stop"
