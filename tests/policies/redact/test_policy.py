"""The policy on events: every channel, every end, every switch."""

from typing import Any

import pytest
from pydantic import ValidationError

from policies import POLICIES
from policies.base import Context, Refuse, Request
from policies.events import Attachment, End, Event, Finish, Note, Opaque, Pause, Stop, Text, Tick, ToolCall, Usage
from policies.redact.config import RedactConfig
from policies.redact.policy import build, build_together, guards
from tests.policies.redact.feeding import CLEAN, EMAIL, MAIL, arguments_of, ask, feed, policy, text_of

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


@pytest.mark.parametrize("channel", ["content", "reasoning", "refusal"])
def test_each_text_channel_is_redacted_one_character_at_a_time(channel: Any) -> None:
    out = feed(policy(), *(Text(0, channel, ch) for ch in MAIL), Finish(0, "stop"))
    assert text_of(out, channel) == CLEAN
    assert isinstance(out[-1], Finish)


def test_choices_and_channels_are_texts_of_their_own() -> None:
    out = feed(
        policy(),
        Text(0, "content", "bob@"),
        Text(1, "content", "ex.com "),
        Text(0, "reasoning", "ex.com "),
        Finish(0, "stop"),
        Finish(1, "stop"),
    )
    assert text_of(out) == "bob@" and text_of(out, choice=1) == "ex.com " and text_of(out, "reasoning") == "ex.com "


def test_content_goes_on_across_a_tool_call() -> None:
    out = feed(policy(), Text(0, "content", "bob@e"), ToolCall(0, 0, "id", "f", "{}"), Text(0, "content", "x.com "))
    assert text_of(out) == "[EMAIL] "


def test_tool_arguments_stay_json_each_call_for_itself() -> None:
    pieces = [
        ToolCall(0, 0, "a", "f"),
        *(ToolCall(0, 0, arguments=ch) for ch in '{"to":"bob@ex.com","n":4111111111111111}'),
    ]
    config = policy(EMAIL, {"name": "card", "entity": "credit_card"})
    out = feed(
        config,
        *pieces,
        ToolCall(0, 1, "b", "g", '{"x":"c@d.org"'),
        ToolCall(0, 1, arguments="}"),
        Finish(0, "tool_calls"),
    )
    assert arguments_of(out) == '{"to":"[EMAIL]","n":"[CARD]"}'
    assert arguments_of(out, 1) == '{"x":"[EMAIL]"}'
    assert [(v.id, v.name) for v in out if isinstance(v, ToolCall) and v.id] == [("a", "f"), ("b", "g")]


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_a_call_that_goes_on_after_another_began_lets_nothing_of_a_match_out(kind: Any) -> None:
    quote = '"' if kind == "function" else ""
    out = feed(
        policy(),
        ToolCall(0, 0, "a", "f", f"{quote}mail bob@ex", kind),
        ToolCall(0, 1, "b", "f", f"{quote}x{quote}", kind),
        ToolCall(0, 0, arguments=f".com now{quote}", kind=kind),
        Finish(0, "tool_calls"),
    )
    assert arguments_of(out) == f"{quote}mail [EMAIL] now{quote}"
    assert arguments_of(out, 1) == f"{quote}x{quote}"


def test_a_custom_tool_s_input_is_plain_text() -> None:
    out = feed(policy(), ToolCall(0, 0, "a", "f", r"to \bob@ex.com", "custom"), Finish(0, "tool_calls"))
    assert arguments_of(out) == "to \\[EMAIL]"
    assert all(v.kind == "custom" for v in out if isinstance(v, ToolCall))


def test_json_content_stays_json() -> None:
    out = feed(
        policy(json_answer=True), *(Text(0, "content", ch) for ch in r'{"a":"\u0062ob@ex.com"}'), Finish(0, "stop")
    )
    assert text_of(out) == '{"a":"[EMAIL]"}'


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "function_call"])
def test_a_natural_finish_releases_what_is_held(reason: Any) -> None:
    assert text_of(feed(policy(), Text(0, "content", "hi bob@ex"), Finish(0, reason))) == "hi bob@ex"


@pytest.mark.parametrize(
    "end", [Finish(0, "length"), Finish(0, "content_filter"), *map(End, ("death", "cancel", "timeout", "length"))]
)
def test_any_other_end_drops_it(end: Event) -> None:
    for at in range(len(MAIL)):
        stream = policy()
        out = feed(stream, Text(0, "content", MAIL[:at]), ToolCall(0, 0, "a", "f", '{"a":"bob@ex.co'), end)
        assert CLEAN.startswith(text_of(out)) and arguments_of(out) == '{"a":"'
        assert out[-1] == end


def test_an_end_without_a_finish_releases_by_its_kind() -> None:
    assert text_of(feed(policy(), Text(0, "content", "bob"), End("natural"))) == "bob"


def test_a_block_stops_its_choice_and_drops_all_of_it() -> None:
    stream = policy({"name": "b", "words": ["bomb"], "action": "block"}, EMAIL)
    out = feed(
        stream,
        Text(0, "reasoning", "amy@"),
        Text(0, "content", "a bo"),
        Text(0, "content", "mb"),
        Text(1, "content", "x "),
    )
    assert text_of(out) == "a " and text_of(out, "reasoning") == "" and text_of(out, choice=1) == "x "
    assert Stop(0, "content_filter", "redact/t") in out
    assert feed(stream, Text(0, "content", "more"), Finish(0, "stop")) == [Finish(0, "stop")]


def test_notes_name_rule_and_place_but_no_text() -> None:
    out = feed(policy(), Text(0, "content", MAIL))
    notes = [v for v in out if isinstance(v, Note)]
    assert notes == [Note("redact/t", "redact", "email", 0, "content", offset=9, end=19)]


def test_shadow_reports_and_changes_nothing() -> None:
    stream = policy(EMAIL, {"name": "b", "words": ["now"], "action": "block"}, mode="shadow")
    assert text_of(feed(stream, Text(0, "content", "bob@e"))) == "bob@e"
    out = feed(stream, Text(0, "content", "x.com now "), Finish(0, "stop"))
    assert text_of(out) == "x.com now "
    assert {(n.action, n.rule) for n in out if isinstance(n, Note)} == {("would_redact", "email"), ("would_block", "b")}


def test_other_events_pass() -> None:
    events = [Usage(1, 2), Tick(1.0), Opaque(None, "chunk", {"x": 1}), Attachment(0, "images", [IMAGE])]
    assert feed(policy(), *events) == events


def test_an_image_s_address_is_redacted_and_its_data_is_not() -> None:
    address = {"type": "image_url", "image_url": {"url": "https://a.example/?to=ann@b.com"}}
    out = feed(policy(), Attachment(0, "images", [address]), Attachment(0, "images", [IMAGE]))
    redacted = {"type": "image_url", "image_url": {"url": "https://a.example/?to=[EMAIL]"}}
    assert out == [Attachment(0, "images", [redacted]), Attachment(0, "images", [IMAGE])]


def test_annotations_texts_are_redacted() -> None:
    value = [
        {"type": "url_citation", "url_citation": {"title": "mail a@b.com", "url": "https://x.io", "start_index": 0}}
    ]
    (out,) = feed(policy(), Attachment(0, "annotations", value))
    assert isinstance(out, Attachment) and out.value[0]["url_citation"]["title"] == "mail [EMAIL]"
    assert out.value[0]["url_citation"]["start_index"] == 0 and value[0]["url_citation"]["title"] == "mail a@b.com"  # type: ignore[index]


def _block(text: str) -> Attachment:
    return Attachment(0, "thinking_blocks", [{"type": "thinking", "thinking": text, "signature": "s"}])


def test_a_clean_thinking_block_goes_out_once_its_text_has() -> None:
    stream = policy()
    assert _block("on bob") not in feed(stream, Text(0, "reasoning", "on bob"), _block("on bob"))
    assert _block("on bob") in feed(stream, Text(0, "reasoning", " and"))


def test_a_redacted_thinking_block_is_dropped_with_its_signature() -> None:
    out = feed(
        policy(),
        Text(0, "reasoning", MAIL),
        _block(MAIL),
        Text(0, "reasoning", "fine "),
        _block("fine "),
        Finish(0, "stop"),
    )
    assert [v for v in out if isinstance(v, Attachment)] == [_block("fine ")]


def test_a_match_across_two_thinking_blocks_drops_both() -> None:
    key = {"name": "key", "entity": "openai_key"}
    parts = ["sk-abcdefghij", "klmnopqrstuvwxyz"]
    out = feed(policy(key), *(e for p in parts for e in (Text(0, "reasoning", p), _block(p))), Finish(0, "stop"))
    assert text_of(out, "reasoning") == "[KEY]" and not [v for v in out if isinstance(v, Attachment)]


def test_a_thinking_block_with_text_cut_off_is_dropped() -> None:
    out = feed(policy(), Text(0, "reasoning", "on bob"), _block("on bob"), Finish(0, "length"))
    assert [v for v in out if isinstance(v, Attachment)] == []


def test_channels_limit_where_a_rule_acts() -> None:
    stream = policy({**EMAIL, "channels": ["reasoning"]})
    out = feed(stream, Text(0, "content", MAIL), Text(0, "reasoning", MAIL), ToolCall(0, 0, "i", "f", '"a@b.com"'))
    assert text_of(out) == MAIL and text_of(out, "reasoning") == CLEAN and arguments_of(out) == '"a@b.com"'


@pytest.mark.parametrize(
    ("direction", "asked", "answered"), [("response", MAIL, CLEAN), ("request", CLEAN, MAIL), ("both", CLEAN, CLEAN)]
)
def test_direction_says_which_way_a_rule_acts(direction: str, asked: str, answered: str) -> None:
    stream = policy({**EMAIL, "direction": direction})
    out = ask(stream, {"messages": [{"role": "user", "content": MAIL}]})
    assert isinstance(out, Request) and out.body["messages"][0]["content"] == asked
    assert text_of(feed(stream, Text(0, "content", MAIL), Finish(0, "stop"))) == answered


def test_what_the_request_had_is_told_with_the_answers_first_event() -> None:
    stream = policy({**EMAIL, "direction": "both"})
    ask(stream, {"messages": [{"role": "user", "content": MAIL}]})
    first, second = (feed(stream, Text(0, "content", text)) for text in ("a, ", "b, "))
    assert [type(v) for v in first] == [Note, Text] and [type(v) for v in second] == [Text]


def test_all_texts_of_a_request_are_redacted_and_nothing_else() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":"a@b.com"}'}}
    body = {
        "model": "a@b.com",
        "messages": [
            {"role": "system", "content": "a@b.com"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a@b.com"}, {"type": "image_url", "image_url": {"url": "x"}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "a@b.com"}]},
        ],
    }
    out = ask(policy({**EMAIL, "direction": "request"}), body)
    assert isinstance(out, Request)
    assert str(out.body).count("a@b.com") == 1 and str(out.body).count("[EMAIL]") == 4
    assert str(body).count("a@b.com") == 5


def test_a_blocked_request_is_refused() -> None:
    out = ask(
        policy({"name": "b", "words": ["bomb"], "action": "block", "direction": "request"}),
        {"messages": [{"role": "user", "content": "a bomb"}]},
    )
    assert isinstance(out, Refuse) and out.status == 400 and "'b'" in out.message


def test_a_prefilled_answer_counts_for_what_follows() -> None:
    stream = policy()
    ask(stream, {"messages": [{"role": "assistant", "content": "write to bob"}]})
    assert text_of(feed(stream, Text(0, "content", "@ex.com now"), Finish(0, "stop"))) == "[EMAIL] now"


def test_policies_of_a_chain_are_one_list_of_rules() -> None:
    first = RedactConfig.model_validate({"rules": [{"name": "a", "words": ["x"], "replace": "yy"}]})
    second = RedactConfig.model_validate({"rules": [{"name": "a", "words": ["y", "xz"], "replace": "<2>"}]})
    stream = build_together([("redact/1", first), ("redact/2", second)], Context("m", lambda: 0.0))
    out = feed(stream, Text(0, "content", "x xz y."), Finish(0, "stop"))
    assert text_of(out) == "yy <2> <2>."
    assert [(n.policy, n.rule) for n in out if isinstance(n, Note)][:2] == [
        ("redact/1", "a"),
        ("redact/2", "redact/2.a"),
    ]
    assert first.engines([("redact/1", first), ("redact/2", second)]) is first.engines(
        [("redact/1", first), ("redact/2", second)]
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"rules": []}, "must not be empty"),
        ({"rules": [{"name": "x", "regex": r"(a)\1"}]}, "back-reference"),
        ({"rules": [{"name": "x", "regexp": "a"}]}, "regexp"),
        ({"rules": [EMAIL], "max_hold": 0}, "greater"),
        ({"rules": [{**EMAIL, "action": "hash"}]}, "without a key"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RedactConfig.model_validate(config)


def test_the_policy_s_settings_are_its_rules_defaults() -> None:
    stream = policy(EMAIL, {"name": "w", "words": ["Now"], "mask": "#"}, replace="<gone>", ignore_case=False)
    out = feed(stream, Text(0, "content", MAIL + "Now."), Finish(0, "stop"))
    assert text_of(out) == "write to <gone> now ###."


def test_hash_labels_are_keyed_and_the_key_shows_nowhere() -> None:
    config = RedactConfig.model_validate({"rules": [{**EMAIL, "action": "hash"}], "hash_key": "topsecret"})
    assert "topsecret" not in repr(config) and "topsecret" not in repr(config._rules)
    stream = build("redact/t", config, Context("m", lambda: 0.0))
    first, second = text_of(feed(stream, Text(0, "content", "a@b.com a@b.com "))).split()
    assert first == second and first.startswith("[EMAIL:")


@pytest.mark.parametrize(
    ("rule", "guarded"),
    [
        ({}, True),
        ({"action": "block"}, True),
        ({"action": "flag"}, False),
        ({"mode": "shadow"}, False),
        ({"direction": "request"}, False),
    ],
)
def test_it_guards_when_it_enforces_on_the_answer(rule: dict[str, Any], guarded: bool) -> None:
    assert guards(RedactConfig.model_validate({"rules": [{**EMAIL, **rule}]})) is guarded
    assert POLICIES["redact"].guards is guards


def test_a_long_text_is_worked_on_in_slices_and_stays_one_piece() -> None:
    out = list(policy().feed(Text(0, "content", MAIL * 200)))
    assert sum(isinstance(v, Pause) for v in out) > 5 and sum(isinstance(v, Text) for v in out) == 1
    assert text_of(out) == CLEAN * 200


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_long_arguments_are_worked_on_in_slices_and_stay_one_piece(kind: Any) -> None:
    text = '{"a": "' + MAIL * 100 + '", "n": [1, 2]}'
    out = list(policy().feed(ToolCall(0, 0, "id", "f", text, kind)))
    (call,) = [v for v in out if isinstance(v, ToolCall)]
    assert (call.id, call.name, call.kind) == ("id", "f", kind)
    assert call.arguments == text.replace("bob@ex.com", "[EMAIL]")
    assert sum(isinstance(v, Pause) for v in out) > 5 and sum(isinstance(v, Note) for v in out) == 100


@pytest.mark.parametrize("json_answer", [False, True])
@pytest.mark.parametrize("tools", [False, True])
def test_a_block_inside_a_long_piece_lets_nothing_more_of_the_choice_out(json_answer: bool, tools: bool) -> None:
    stream = policy({"name": "b", "words": ["bomb"], "action": "block"}, json_answer=json_answer)
    text = '"' + "x " * 100 + "bomb" + " y" * 100 + '"'
    piece = ToolCall(0, 0, "id", "f", text) if tools else Text(0, "content", text)
    out = feed(stream, piece, Text(0, "reasoning", "z"))
    assert (arguments_of(out) if tools else text_of(out)) == '"' + "x " * 100
    assert text_of(out, "reasoning") == "" and Stop(0, "content_filter", "redact/t") in out


def test_it_tells_how_much_it_holds_of_all_texts() -> None:
    stream = policy()
    feed(stream, Text(0, "content", "to bob@"), Text(0, "reasoning", "x amy"), Text(1, "content", "c"))
    assert stream.held == len("bob@") + len("amy") + len("c")
    feed(stream, Finish(0, "stop"))
    assert stream.held == 1
