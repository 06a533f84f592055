"""An answer through a chain: input, output, times, and held text."""

from collections.abc import Callable

import pytest

from policies import POLICIES
from policies.base import Context
from policies.chain import Chain
from policies.events import End, Event, Finish, Text, ToolCall
from proxy.cli.replay import cut, even, play, uneven
from proxy.config.chains import make_chain
from proxy.config.load import parse

CONFIG = parse(
    """
providers: {openai: {api_key: k}}
models: {m: {target: openai/x}}
policies:
  redact/mail: {rules: [{name: email, entity: email}]}
  redact/stop: {rules: [{name: bomb, words: [bomb], action: block}]}
  token_cap/two: {max_chunks: 2}
  json_guard/retry: {on_invalid: retry, when: always}
""",
    environ={},
)


def chain(*ids: str) -> Chain:
    return make_chain(ids, CONFIG.policies, POLICIES, Context("m", lambda: 0.0))


def answer(*pieces: str) -> list[Event]:
    return [*(Text(0, "content", piece) for piece in pieces), Finish(0, "stop"), End("natural")]


def test_each_piece_is_told_with_what_went_and_what_is_held() -> None:
    played = play(chain("redact/mail"), answer("Hi amy", "@corp.tw", " ok"))
    assert [(step.came, step.went, step.held) for step in played.steps] == [
        ("Hi amy", "Hi ", 3),
        ("@corp.tw", "", 11),
        (" ok", "[EMAIL] ", 2),
        ("", "ok", 0),
    ]
    assert played.most_held == 11
    course = played.courses["content"]
    assert (course.came, course.went) == ("Hi amy@corp.tw ok", "Hi [EMAIL] ok")
    assert course.left == [0] * 3 + [2] * 8 + [3] * 2 and course.arrived == [0] * 6 + [1] * 8 + [2] * 3
    assert [(note.rule, note.offset, note.end) for note in played.notes] == [("email", 3, 14)]


def test_a_block_ends_it_and_the_rest_is_not_read() -> None:
    played = play(chain("redact/stop"), answer("a bo", "mb", " c", " d"))
    assert played.courses["content"].went == "a "
    assert [(f.reason, f.by) for f in played.finishes] == [("content_filter", "redact/stop")]
    assert (played.unread, played.steps[-1].held) == (2, 0)


def test_a_cap_ends_it_and_the_rest_is_not_read() -> None:
    played = play(chain("token_cap/two"), answer("a", "b", "c", "d"))
    assert played.courses["content"].went == "ab" and played.unread == 1


def test_nothing_is_held_any_more_when_a_cap_behind_redaction_has_ended_it() -> None:
    played = play(chain("redact/mail", "token_cap/two"), answer("a b ", "c d ", "e amy", "@x"))
    assert [step.held for step in played.steps] == [0, 0, 0] and played.courses["content"].went == "a b c d "


def test_an_answer_that_is_held_whole_and_rejected_says_so() -> None:
    played = play(chain("json_guard/retry"), answer('{"a": ', "oops"))
    assert played.rejected is not None and "json_guard/retry" in played.rejected
    assert played.courses["content"].went == "" and played.most_held == 6


def test_each_text_of_an_answer_is_told_by_its_name() -> None:
    events: list[Event] = [
        Text(0, "reasoning", "hm"),
        ToolCall(0, 0, "call_1", "f", '{"to": "amy@corp.tw"}'),
        Text(1, "content", "b"),
        Finish(0, "tool_calls"),
        Finish(1, "stop"),
        End("natural"),
    ]
    courses = play(chain("redact/mail"), events).courses
    assert {name: course.went for name, course in courses.items()} == {
        "reasoning": "hm",
        "tool 0": '{"to": "[EMAIL]"}',
        "content of choice 1": "b",
    }


@pytest.mark.parametrize("sizes", [lambda: even(1), lambda: even(5), uneven])
def test_texts_are_cut_and_nothing_of_them_is_lost(sizes: Callable[..., object]) -> None:
    call = ToolCall(0, 0, "call_1", "f", '{"long": "enough"}')
    events = [Text(0, "reasoning", "thinking hard"), call, *answer("The end of it.")]
    pieces = list(cut(events, sizes()))  # type: ignore[arg-type]
    assert "".join(e.text for e in pieces if isinstance(e, Text)) == "thinking hardThe end of it."
    calls = [e for e in pieces if isinstance(e, ToolCall)]
    assert "".join(e.arguments for e in calls) == call.arguments
    assert [e.id for e in calls] == ["call_1", *[None] * (len(calls) - 1)]
    assert pieces[-2:] == [Finish(0, "stop"), End("natural")]


def test_the_pieces_have_the_size_asked_for() -> None:
    pieces = list(cut(answer("abcdefg"), even(3)))
    assert [e.text for e in pieces if isinstance(e, Text)] == ["abc", "def", "g"]
