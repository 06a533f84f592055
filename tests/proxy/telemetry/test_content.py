"""Messages on spans: after the policies, cut, and with the prompt only if no rule is for answers alone."""

import json

import pytest

from policies.events import Text, ToolCall
from proxy.config.load import parse
from proxy.telemetry.content import MAX_PARTS, Said, asked_messages, prompts_may_be_shown

RULES = """
providers: {openai: {api_key: provider-key}}
models: {m: {target: openai/x, policies: [POLICIES]}}
policies:
  redact/answers: {rules: [{name: a, entity: email}]}
  redact/both: {direction: both, rules: [{name: a, entity: email}]}
  redact/mixed: {direction: both, rules: [{name: a, entity: email}, {name: b, entity: phone, direction: response}]}
  token_cap/t: {max_tokens: 5}
"""


def test_what_was_said_by_choice_channel_and_call() -> None:
    said = Said(100)
    said.hear(
        [Text(1, "content", "b"), Text(0, "content", "Hel"), Text(0, "reasoning", "hm"), Text(0, "content", "lo")]
    )
    said.hear([ToolCall(0, 0, "id", "f", '{"a"'), ToolCall(0, 0, arguments=": 1}")])
    assert json.loads(said.messages({0: "tool_calls"})) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "Hello"},
                {"type": "reasoning", "content": "hm"},
                {"type": "tool_call", "id": "id", "name": "f", "arguments": '{"a": 1}'},
            ],
            "finish_reason": "tool_calls",
        },
        {"role": "assistant", "parts": [{"type": "text", "content": "b"}], "finish_reason": "error"},
    ]


def test_every_text_is_cut_and_there_are_only_so_many() -> None:
    said = Said(5)
    for choice in range(MAX_PARTS + 50):
        said.hear([Text(choice, "content", "abc"), Text(choice, "content", "defgh"), ToolCall(choice, 0, "i" * 9)])
    messages = json.loads(said.messages({}))
    parts = [part for message in messages for part in message["parts"]]
    assert len(parts) == MAX_PARTS
    assert {part.get("content", part.get("id")) for part in parts} == {"abcde", "iiiii"}


def test_what_was_asked_without_what_is_no_text() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:secret"}}
    parts = [{"type": "text", "text": "Look at this"}, picture]
    body = {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": parts}]}
    assert json.loads(asked_messages(body, 4)) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be b"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Look"}]},
    ]


@pytest.mark.parametrize(
    ("policies", "may"),
    [("", True), ("token_cap/t", True), ("redact/both", True), ("redact/answers", False), ("redact/mixed", False)],
)
def test_a_prompt_is_shown_only_where_all_rules_acted_on_it(policies: str, may: bool) -> None:
    config = parse(RULES.replace("POLICIES", policies), environ={})
    assert prompts_may_be_shown(config, "m") is may
