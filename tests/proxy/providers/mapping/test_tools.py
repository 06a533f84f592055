"""Tools, choices and response formats are checked before LiteLLM may leave them out."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers.mapping.tools import prepared_tools

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Marking:
    """A provider that marks each schema with its place."""

    def is_native(self, tool: Mapping[str, Any]) -> bool:
        return "native" in tool

    def parameters(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        return {**schema, "at": where}

    answer = parameters


def ready(**parameters: Any) -> dict[str, Any]:
    return prepared_tools(parameters, Marking())


def test_a_function_is_completed_and_copied() -> None:
    bare: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": None, "description": None}}
    [tool] = ready(tools=[bare])["tools"]
    schema = {"type": "object", "properties": {}, "at": "tools[0].function.parameters"}
    assert tool["function"] == {"name": "f", "parameters": schema}
    assert bare["function"]["parameters"] is None


def test_native_tools_go_as_they_are() -> None:
    assert ready(tools=[{"native": {"x": 1}}])["tools"] == [{"native": {"x": 1}}]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        (["f"], "tools[0]"),
        ([TOOL, {"type": "custom"}], "tools[1].type"),
        ([{"type": "function"}], "tools[0].function.name"),
        ([{"type": "function", "function": {"name": 1}}], "tools[0].function.name"),
        ([{"type": "function", "function": {"name": "f", "parameters": []}}], "tools[0].function.parameters"),
    ],
)
def test_what_is_no_tool_is_named(tools: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ready(tools=tools)
    assert refused.value.param == param


def test_the_schema_of_an_answer_is_made_ready_and_further_members_stay_out() -> None:
    described = {"name": "n", "strict": True, "schema": {"type": "object"}}
    form = ready(response_format={"type": "json_schema", "json_schema": described, "response_schema": {"x": 1}})
    schema = {"type": "object", "at": "response_format.json_schema.schema"}
    assert form == {"response_format": {"type": "json_schema", "json_schema": {**described, "schema": schema}}}
    form = ready(response_format={"type": "json_object", "response_schema": {}, "x": 1})
    schema = {"at": "response_format.response_schema"}
    assert form == {"response_format": {"type": "json_object", "response_schema": schema}}


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_that_says_nothing_without_tools_is_left_out(choice: str) -> None:
    assert ready(tool_choice=choice) == {}
    assert ready(tools=[TOOL], tool_choice=choice)["tool_choice"] == choice


@pytest.mark.parametrize(
    "choice", ["any way", "", 7, {}, {"type": "function"}, {"type": "allowed_tools", "allowed_tools": {}}, {"type": []}]
)
def test_other_choices_are_refused(choice: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ready(tools=[TOOL], tool_choice=choice)
    assert refused.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ("json", "response_format.type"),
        ({}, "response_format.type"),
        ({"type": ["text"]}, "response_format.type"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "response_format.json_schema.schema"),
        ({"type": "json_schema", "json_schema": None}, "response_format.json_schema.schema"),
        ({"type": "json_object", "response_schema": []}, "response_format.response_schema"),
    ],
)
def test_response_formats_without_effect_are_refused(form: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ready(response_format=form)
    assert refused.value.param == param
