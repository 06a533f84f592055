"""`stop` and `flag`: the client's text of valid, invalid and cut answers, wherever they are cut into pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.base import Context, Refuse, Request
from policies.chain import Chain
from policies.events import End, Event, Finish, Note, Opaque, Text, Tick, ToolCall, Usage
from policies.json_guard import JSON_GUARD, STAGE, JsonGuardConfig
from policies.steps import finished
from tests.policies.json_guard.judging import cuts
from tests.policies.json_guard.streams import SCHEMA, answer, chain, content, natural, run

NAME = "json_guard/t"
STOPPED = Finish(0, "content_filter", NAME)


@pytest.mark.parametrize("on_invalid", ["stop", "flag"])
@pytest.mark.parametrize("text", ['{"kind": "cat", "age": 3}', ' {"age":1e1,"kind":"d\\u006fg"}\n'])
def test_a_right_answer_passes_as_it_came(on_invalid: str, text: str) -> None:
    for pieces in cuts(text):
        made, events = chain(SCHEMA, on_invalid=on_invalid), natural(answer(pieces))
        assert run(made, events) == events
        assert made.notes == []


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (None, '{"a": ', "}"),
        (None, "", "Sure! Here is"),
        (None, "{}\n", "Hope this helps"),
        (None, "", "```json\n{}\n```"),
        (SCHEMA, "", "[]"),
        (SCHEMA, '{"kind": "c', 'ow"}'),
        (SCHEMA, '{"age": 1', "}"),
        (SCHEMA, '{"', 'name": 1}'),
        (SCHEMA, '{"kind": "cat", "age": ', '"3"}'),
    ],
)
def test_stop_sends_what_is_good_and_ends_the_choice(schema: Any, good: str, bad: str) -> None:
    for pieces in cuts(good + bad):
        made = chain(schema)
        out = run(made, natural(answer(pieces)))
        assert content(out) == good
        assert out[-2:] == [STOPPED, End("natural")]
        assert made.stopped == {0: NAME}
        assert made.notes == [Note(NAME, "stopped", "invalid", 0, "content", offset=len(good))]


def test_flag_sends_all_and_notes_the_first_wrong_character_once() -> None:
    text = '{"kind": "cow"} and more }'
    for pieces in cuts(text):
        made, events = chain(SCHEMA, on_invalid="flag"), natural(answer(pieces))
        assert run(made, events) == events
        assert made.notes == [Note(NAME, "flagged", "invalid", 0, "content", offset=11)]


@pytest.mark.parametrize("on_invalid", ["stop", "flag"])
@pytest.mark.parametrize("text", ['{"kind": "cat"', "", " ", '{"kind"'])
def test_an_answer_that_ends_by_itself_unfinished_is_noted(on_invalid: str, text: str) -> None:
    made, events = chain(SCHEMA, on_invalid=on_invalid), natural(answer([text]))
    assert run(made, events) == events
    assert made.notes == [Note(NAME, "flagged", "incomplete", 0, "content")]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_is_not_judged(reason: str) -> None:
    made, events = chain(SCHEMA), natural(answer(['{"kind": "c'], reason))
    assert run(made, events) == events
    assert made.notes == []


@pytest.mark.parametrize(
    "other", [ToolCall(0, 0, "id", "f", '{"not json'), Text(0, "refusal", "I cannot."), Text(0, "reasoning", "Well, {")]
)
def test_other_channels_pass_untouched(other: Event) -> None:
    made = chain(SCHEMA)
    events: list[Event] = [other, Usage(1, 2), Tick(0.0), *answer([], "tool_calls"), Opaque(None, "chunk", {"a": 1})]
    assert run(made, events) == events
    excused = not (isinstance(other, Text) and other.channel == "reasoning")
    assert bool(made.notes) is not excused


def test_each_choice_is_judged_on_its_own() -> None:
    made = chain(SCHEMA, choices=2)
    events = [
        Text(0, "content", '{"kind'),
        Text(1, "content", '{"kind": '),
        Text(0, "content", 's"'),
        Text(1, "content", '"cat"}'),
    ]
    out = run(made, natural([*events, Finish(0, "stop"), Finish(1, "stop")]))
    assert content(out, 0) == '{"kind' and content(out, 1) == '{"kind": "cat"}'
    assert made.finished == {0: "content_filter", 1: "stop"} and made.stopped == {0: NAME}


def test_nothing_of_a_choice_comes_behind_its_stop() -> None:
    policy = JSON_GUARD.build(NAME, JsonGuardConfig(), Context("m", lambda: 0.0, True))
    assert len(list(policy.feed(Text(0, "content", "x")))) == 2
    assert list(policy.feed(Text(0, "content", "{}"))) == []
    assert list(policy.feed(Finish(0, "stop"))) == []


def test_without_a_json_request_nothing_is_looked_at() -> None:
    made, events = chain(json=False), natural(answer(["Hello"]))
    assert run(made, events) == events
    assert made.notes == []
    always = chain(json=False, when="always")
    assert run(always, natural(answer(["Hello"])))[:1] == [STOPPED]


@pytest.mark.parametrize("on_invalid", ["stop", "flag"])
@pytest.mark.parametrize("text", ["```json\n{}\n```", "```\n{}```\n", "\n```{}"])
def test_a_fence_is_taken_off_wherever_it_is_cut(on_invalid: str, text: str) -> None:
    for pieces in cuts(text):
        made = chain(strip_fence=True, on_invalid=on_invalid)
        out = run(made, natural(answer(pieces)))
        assert content(out).strip() == "{}" and out[-2:] == [Finish(0, "stop"), End("natural")]
        assert made.notes == []


@pytest.mark.parametrize(("on_invalid", "rest"), [("stop", ""), ("flag", "``")])
@pytest.mark.parametrize("reason", ["stop", "length"])
def test_what_may_have_become_a_fence_is_no_json(on_invalid: str, rest: str, reason: str) -> None:
    made = chain(strip_fence=True, on_invalid=on_invalid)
    assert content(run(made, natural(answer(["``"], reason)))) == rest
    assert bool(made.notes) == (reason == "stop")


def test_a_schema_that_cannot_be_used_refuses_the_request_or_is_noted() -> None:
    body = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "http://x/y"}}}}
    context = Context("m", lambda: 0.0, True)
    stopping = Chain([JSON_GUARD.build(NAME, JsonGuardConfig(), context)])
    refused = finished(stopping.request(Request(body)))
    assert isinstance(refused, Refuse) and refused.status == 400 and "$ref must be" in refused.message
    made = Chain([JSON_GUARD.build(NAME, JsonGuardConfig(on_invalid="flag"), context)])
    assert finished(made.request(Request(body))) == Request(body)
    run(made, natural(answer(["[1]"])))
    assert made.notes == [Note(NAME, "unchecked", "schema")]


def test_a_schema_too_costly_to_follow_is_noted() -> None:
    made, events = chain({"anyOf": [{"const": n} for n in range(300)]}), natural(answer(['"x"']))
    assert run(made, events) == events
    assert made.notes == [Note(NAME, "unchecked", "cost", 0, "content")]


def test_the_guard_is_first_and_keeps_unknown_fields() -> None:
    assert STAGE == JSON_GUARD.stage < 50
    assert not JSON_GUARD.guards(JsonGuardConfig())


@given(st.text(alphabet='{}[]",:1a`e\n', max_size=20), st.data(), st.sampled_from([None, SCHEMA]), st.booleans())
def test_what_the_client_gets_does_not_depend_on_the_pieces(
    text: str, data: st.DataObject, schema: Any, strip: bool
) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    outs = []
    for part in (pieces, [text], list(text)):
        made = chain(schema, strip_fence=strip)
        out = run(made, natural(answer(part)))
        outs.append((content(out), out[-2:], made.notes))
    assert outs[0] == outs[1] == outs[2]
