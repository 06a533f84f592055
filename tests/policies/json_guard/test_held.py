"""`retry`: nothing is released before everything was checked, and a failed attempt is rejected while it can be
repeated.
"""

from typing import Any

import pytest

from policies.base import Context, Refuse, Request
from policies.chain import Chain, Rejected
from policies.events import Attachment, End, EndKind, Event, Finish, Note, Opaque, Text, Tick, ToolCall, Usage
from policies.json_guard import JSON_GUARD, HeldJsonGuard, JsonGuardConfig, held
from policies.steps import finished
from tests.policies.json_guard.judging import cuts
from tests.policies.json_guard.streams import SCHEMA, answer, chain, content, natural, run

NAME = "json_guard/t"
RIGHT = '{"kind": "cat", "age": 3}'


def retry(schema: Any = SCHEMA, **config: Any) -> Any:
    return chain(schema, on_invalid="retry", **config)


def test_a_right_answer_goes_on_whole_when_it_is_finished() -> None:
    for pieces in cuts(RIGHT):
        made, events = retry(), answer(pieces)
        assert run(made, events[:-1]) == []
        assert run(made, [*events[-1:], End("natural")]) == natural(events)
        assert made.notes == []


@pytest.mark.parametrize(
    ("schema", "text", "message"),
    [
        (SCHEMA, '{"kind": "cow"}', "the answer is not JSON that fits"),
        (SCHEMA, "Sure!", "the answer is not JSON that fits"),
        (SCHEMA, '{"kind": "cat"', "the answer is not a whole JSON text that fits"),
        (SCHEMA, "", "the answer is not a whole JSON text that fits"),
        ({"type": "integer"}, "1.5", "the answer is not a whole JSON text that fits"),
        ({"type": "string", "minLength": 3}, '"ab"', "the answer breaks the schema at minLength"),
        ({"type": "string", "pattern": "^b"}, '"ab"', "the answer breaks the schema at pattern"),
        ({"oneOf": [{"type": "string"}, {"const": "a"}]}, '"a"', "the answer breaks the schema at oneOf"),
        ({"enum": [[1]]}, "[2]", "the answer breaks the schema at enum"),
        (None, "1e999", "the answer is not JSON"),
    ],
)
def test_a_wrong_answer_is_rejected_with_nothing_sent(schema: Any, text: str, message: str) -> None:
    for pieces in cuts(text):
        made = retry(schema)
        out: list[Event] = []
        with pytest.raises(Rejected) as rejected:
            for event in natural(answer(pieces)):
                out += made.feed(event)
        assert out == []
        assert rejected.value.reject.message == message
        assert [(note.action, note.choice) for note in made.notes] == [("rejected", 0)]


def test_a_hopeless_answer_is_rejected_at_its_first_wrong_character() -> None:
    made = retry()
    assert made.feed(Text(0, "content", '{"kind": "')) == []
    with pytest.raises(Rejected):
        made.feed(Text(0, "content", "m"))
    assert made.notes == [Note(NAME, "rejected", "invalid", 0, "content", offset=10)]


def test_all_that_the_client_would_see_is_held_and_keeps_its_order() -> None:
    events: list[Event] = [
        Text(0, "reasoning", "Let me think"),
        Opaque(0, "delta", {"copy": "x"}),
        Text(0, "content", '{"kind": '),
        Attachment(0, "annotations", []),
        Text(0, "content", '"cat"}'),
    ]
    made = retry()
    assert run(made, events) == []
    assert run(made, [Usage(1, 2), Tick(1.0)]) == [Usage(1, 2), Tick(1.0)]
    assert run(made, [Finish(0, "stop")]) == [*events, Finish(0, "stop")]


def test_all_choices_wait_for_the_last() -> None:
    made = retry(choices=2)
    assert run(made, [*answer([RIGHT], choice=1), Text(0, "content", RIGHT)]) == []
    out = run(made, [Finish(0, "stop"), End("natural")])
    assert content(out, 0) == content(out, 1) == RIGHT
    assert made.finished == {0: "stop", 1: "stop"}


def test_one_wrong_choice_rejects_all() -> None:
    made = retry(choices=2)
    assert run(made, answer([RIGHT])) == []
    with pytest.raises(Rejected):
        run(made, answer(["[]"], choice=1))


def test_fewer_choices_than_asked_for_go_on_at_the_natural_end() -> None:
    made = retry(choices=3)
    assert run(made, answer([RIGHT])) == []
    assert run(made, [End("natural")]) == natural(answer([RIGHT]))


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_the_content_of_a_cut_choice_is_dropped(reason: str) -> None:
    made = retry(choices=2)
    out = run(made, natural([Text(0, "reasoning", "Hm")], answer([RIGHT], reason), answer([RIGHT], choice=1)))
    assert content(out, 0) == "" and content(out, 1) == RIGHT
    assert out[0] == Text(0, "reasoning", "Hm") and Finish(0, reason) in out  # type: ignore[arg-type]
    assert made.notes == [Note(NAME, "dropped", "cut", 0, "content")]


@pytest.mark.parametrize("kind", ["death", "timeout", "length"])
def test_at_an_unnatural_end_all_is_dropped(kind: EndKind) -> None:
    made = retry(choices=2)
    assert run(made, [*answer([RIGHT]), Text(1, "content", "{"), End(kind)]) == [End(kind)]


def test_a_cancelled_stream_ends_with_the_choices_that_had_finished() -> None:
    made = retry(choices=2)
    events = [*answer([RIGHT]), Text(1, "content", '{"kind'), End("cancel")]
    assert run(made, events) == [*answer([RIGHT]), End("cancel")]


def test_a_tool_call_or_a_refusal_is_no_answer_to_judge() -> None:
    call = ToolCall(0, 0, "id", "f", "{")
    made, events = retry(tools=True), [Text(0, "content", "Let me look."), call, Finish(0, "tool_calls")]
    assert run(made, events) == events
    refused, said = retry(), [Text(0, "refusal", "No."), Finish(0, "stop")]
    assert run(refused, said) == said


def test_with_tools_prose_that_no_call_follows_is_rejected_at_the_finish() -> None:
    made = retry(tools=True)
    assert run(made, [Text(0, "content", "Let me"), Text(0, "content", " look.")]) == []
    with pytest.raises(Rejected):
        made.feed(Finish(0, "stop"))


def test_a_fence_is_taken_off() -> None:
    for pieces in cuts("```json\n" + RIGHT + "\n```"):
        out = run(retry(strip_fence=True), natural(answer(pieces)))
        assert content(out) == "\n" + RIGHT + "\n"


def test_too_long_an_answer_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 100)
    made = retry(None)
    assert run(made, [Text(0, "content", "[")]) == []
    with pytest.raises(Rejected, match="longer than the 100 characters"):
        run(made, [Text(0, "content", "1,") for _ in range(60)])


def test_structure_counts_as_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 1000)
    large: list[Event] = [
        Attachment(0, "images", [{"url": "x" * 1000}]),
        Opaque(None, "chunk", {"copy": "x" * 1000}),
        ToolCall(0, 0, "id", "f" * 1000, "{}"),
        ToolCall(0, 0, "id", "f", "{}", extra={"signature": "x" * 1000}),
    ]
    for event in large:
        with pytest.raises(Rejected, match="longer than the 1000 characters"):
            retry().feed(event)


NUMBERS = {"type": "array", "items": {"type": "integer"}}
MANY = "[" + ",".join(["1"] * 3000) + "]"


def test_a_long_check_and_a_long_release_pause() -> None:
    made = retry(NUMBERS)
    events: list[Event] = [Text(0, "content", char) for char in MANY]
    assert run(made, events) == []
    steps = list(made.slices(Finish(0, "stop")))
    checked = next(at for at, step in enumerate(steps) if step)
    assert checked > 10 and steps[checked:].count([]) > 10
    assert [event for step in steps for event in step] == [*events, Finish(0, "stop")]


def test_an_answer_whose_check_is_cut_is_not_released() -> None:
    made = retry(NUMBERS)
    assert run(made, [Text(0, "content", MANY)]) == []
    steps = made.slices(Finish(0, "stop"))
    assert next(steps) == []
    del steps  # the stream was stopped at this pause
    assert run(made, [Finish(0, "length", "cancel"), End("cancel")]) == [Finish(0, "length", "cancel"), End("cancel")]


def test_what_comes_behind_the_release_goes_on_at_once() -> None:
    made = retry()
    assert run(made, answer([RIGHT])) == answer([RIGHT])
    late = Opaque(None, "chunk", {"system_fingerprint": "x"})
    assert run(made, [late, End("natural")]) == [late, End("natural")]


@pytest.mark.parametrize("schema", [{"$ref": "x"}, {"type": "string", "pattern": "(?=a)"}])
def test_a_schema_that_cannot_be_checked_refuses_the_request(schema: Any) -> None:
    policy = JSON_GUARD.build(NAME, JsonGuardConfig(on_invalid="retry"), Context("m", lambda: 0.0, True))
    body = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    refused = finished(Chain([policy]).request(Request(body)))
    assert isinstance(refused, Refuse) and refused.status == 400


def test_without_a_json_request_nothing_is_held() -> None:
    made, events = retry(json=False), natural(answer(["Hello"]))
    assert run(made, events) == events


def test_the_number_of_attempts_is_told_to_who_makes_them() -> None:
    policy = JSON_GUARD.build(NAME, JsonGuardConfig(on_invalid="retry", attempts=4), Context("m", lambda: 0.0, True))
    assert isinstance(policy, HeldJsonGuard) and policy.attempts == 4


def test_it_tells_how_much_it_holds() -> None:
    made = retry()
    run(made, [Text(0, "content", '{"kind": '), ToolCall(0, 0, "c", "f", '{"a"')])
    assert made.held() == len('{"kind": ') + len('{"a"')
    run(made, [End("death")])
    assert made.held() == 0
