"""Placeholders in the request, values in the answer."""

import gc
import time
import weakref
from typing import Any

import pytest

from policies.base import Context, Request
from policies.events import Finish, Text, ToolCall
from policies.redact.config import RedactConfig
from policies.redact.policy import Redact, build
from tests.policies.redact.feeding import EMAIL, arguments_of, ask, feed, policy, text_of

PSEUDONYMS = {**EMAIL, "action": "pseudonymize"}


def pseudonymized(**options: Any) -> Redact:
    """A stream whose request held two values."""
    stream = policy(PSEUDONYMS, {"name": "card", "entity": "credit_card", "action": "pseudonymize"}, **options)
    out = ask(stream, {"messages": [{"role": "user", "content": 'bob "x" <Bob@Ex.com>, 4111 1111 1111 1111'}]})
    assert isinstance(out, Request) and out.body["messages"][0]["content"] == 'bob "x" <[EMAIL-1]>, [CARD-1]'
    return stream


ANSWER = "to [email-1] and [Email-1], card [CARD-1]; not [EMAIL-2] nor [EMAIL-1x]"
RESTORED = "to Bob@Ex.com and Bob@Ex.com, card 4111 1111 1111 1111; not [EMAIL-2] nor [EMAIL-1x]"


@pytest.mark.parametrize("channel", ["content", "reasoning", "refusal"])
@pytest.mark.parametrize("choice", [0, 1])
def test_placeholders_are_restored_wherever_they_are_cut(channel: Any, choice: int) -> None:
    for at in range(len(ANSWER)):
        out = feed(
            pseudonymized(),
            Text(choice, channel, ANSWER[:at]),
            Text(choice, channel, ANSWER[at:]),
            Finish(choice, "stop"),
        )
        assert text_of(out, channel, choice) == RESTORED


def test_placeholders_are_restored_in_each_of_several_choices_at_once() -> None:
    events = [Text(choice, "content", ch) for ch in ANSWER for choice in (0, 1)]
    out = feed(pseudonymized(), *events, Finish(0, "stop"), Finish(1, "stop"))
    assert text_of(out, choice=0) == RESTORED and text_of(out, choice=1) == RESTORED


def test_placeholders_are_restored_inside_json_which_stays_json() -> None:
    stream = policy({"name": "q", "regex": 'say "[a-z]+"', "action": "pseudonymize"}, json_answer=True)
    ask(stream, {"messages": [{"role": "user", "content": 'please say "hello" now'}]})
    text = '{"a": "[q-1]", "\\u005bQ-1]": 1}'
    out = feed(stream, *(Text(0, "content", ch) for ch in text), ToolCall(0, 0, "i", "f", text), Finish(0, "stop"))
    expected = '{"a": "say \\"hello\\"", "say \\"hello\\"": 1}'
    assert text_of(out) == expected and arguments_of(out) == expected


def test_an_answer_s_placeholders_stay_when_the_request_held_nothing() -> None:
    for body in ({"messages": [{"role": "user", "content": "hello"}]}, {"messages": []}, {}):
        stream = policy(PSEUDONYMS)
        ask(stream, body)
        assert text_of(feed(stream, Text(0, "content", "to [EMAIL-1] a@b.com "))) == "to [EMAIL-1] a@b.com "
    assert text_of(feed(policy(PSEUDONYMS), Text(0, "content", "to [EMAIL-1] "))) == "to [EMAIL-1] "


def test_nothing_of_a_request_is_left_for_the_next() -> None:
    config = RedactConfig.model_validate({"rules": [PSEUDONYMS]})
    first, second = (build("redact/t", config, Context("m", lambda: 0.0)) for _ in range(2))
    ask(first, {"messages": [{"role": "user", "content": "bob@ex.com"}]})
    names = weakref.ref(first._pseudonyms)
    assert text_of(feed(first, Text(0, "content", "[EMAIL-1] "))) == "bob@ex.com "
    ask(second, {"messages": []})
    assert text_of(feed(second, Text(0, "content", "[EMAIL-1] "))) == "[EMAIL-1] "
    del first
    gc.collect()
    assert names() is None and "bob@ex.com" not in repr(vars(config))


def test_a_value_comes_back_as_it_was_written() -> None:
    stream = policy({"name": "w", "words": ["café"], "action": "pseudonymize"})
    out = ask(stream, {"messages": [{"role": "user", "content": "ＣＡＦÉ, café"}]})
    assert isinstance(out, Request) and out.body["messages"][0]["content"] == "[W-1], [W-2]"
    assert text_of(feed(stream, Text(0, "content", "[w-1] or [W-2]."))) == "ＣＡＦÉ or café."


def test_many_values_and_a_long_request_take_little_time() -> None:
    stream = policy({"name": "n", "regex": "n[0-9]+", "action": "pseudonymize"})
    text = " ".join(f"n{i}" for i in range(11_000))
    begun = time.process_time()
    out = ask(stream, {"messages": [{"role": "user", "content": text}]})
    assert time.process_time() - begun < 2
    assert isinstance(out, Request) and out.body["messages"][0]["content"].endswith("[N-9999] " + "[N] " * 1000 + "[N]")


def test_pseudonyms_go_up_and_values_come_back() -> None:
    stream = policy({**EMAIL, "action": "pseudonymize"}, {"name": "key", "entity": "openai_key"})
    out = ask(stream, {"messages": [{"role": "user", "content": "a@b.com, c@d.com, a@b.com, [EMAIL-2]"}]})
    assert isinstance(out, Request)
    assert out.body["messages"][0]["content"] == "[EMAIL-1], [EMAIL-3], [EMAIL-1], [EMAIL-2]"
    answer = "to [email-1], [EMAIL-2] and [EMAIL-3] sk-abcdefghijklmnopqrstu"
    verdicts = feed(stream, *(Text(0, "content", ch) for ch in answer), Finish(0, "stop"))
    assert text_of(verdicts) == "to a@b.com, [EMAIL-2] and c@d.com [KEY]"
    verdicts = feed(stream, *(ToolCall(1, 0, arguments=ch) for ch in '{"to":"[EMAIL-1]"}'), Finish(1, "tool_calls"))
    assert arguments_of(verdicts) == '{"to":"a@b.com"}'
