"""Gemini's answers become policy events: each feature by a short stream in the real format."""

import json
from itertools import count
from typing import Any

import pytest

from policies.events import Attachment, End, Finish, Opaque, Text, ToolCall, Usage
from proxy.formats.base import DecodeError
from proxy.formats.fields import UNREADABLE
from proxy.formats.gemini.decode import GeminiDecoder
from tests.proxy.formats.folding import Call, Seen, fold, play, sse
from tests.proxy.formats.gemini_events import CODE, PARIS, USAGE, answer, said, seen


def test_a_text_answer_is_its_pieces_then_its_finish_and_end() -> None:
    usage = {"promptTokenCount": 6, "candidatesTokenCount": 2, "totalTokenCount": 8}
    events = play(GeminiDecoder(guarded=True), [said("Hel"), said("lo", finish="STOP", usage=usage)])
    expected = [Text(0, "content", "Hel"), Text(0, "content", "lo"), Usage(6, 2), Finish(0, "stop"), End("natural")]
    assert events == expected


def test_thoughts_are_reasoning() -> None:
    got = seen(answer({"text": "Hm, ", "thought": True}, {"text": "Yes"}), said("!", finish="STOP"))
    assert (got.reasoning, got.content) == ("Hm, ", "Yes!")


def test_what_follows_a_finish_reason_is_not_lost_because_the_finish_waits_for_the_end() -> None:
    got = seen(said("a", finish="STOP"), answer(PARIS, finish="STOP"), said("b", finish="STOP"))
    assert (got.content, len(got.calls), got.finish, got.end) == ("ab", 1, {0: "tool_calls"}, End("natural"))


def test_calls_come_whole_over_one_event_or_several() -> None:
    bare = {"functionCall": {"name": "now"}}
    got = seen(answer(PARIS, bare), answer({"functionCall": {"name": "now", "args": None, "id": "own"}}, finish="STOP"))
    assert [(c.id, c.name, json.loads(c.arguments)) for c in got.calls.values()] == [
        ("call_0", "lookup", {"city": "Paris"}),
        ("call_1", "now", {}),
        ("own", "now", {}),
    ]
    assert got.finish == {0: "tool_calls"}


def test_minted_call_ids_are_never_the_same() -> None:
    decoders = [GeminiDecoder(guarded=True) for _ in range(2)]
    events = [e for decoder in decoders for e in play(decoder, [answer(PARIS, PARIS)])]
    ids = [e.id for e in events if isinstance(e, ToolCall)]
    assert len(set(ids)) == 4 and all(id and id.startswith("call_") for id in ids)


def test_a_calls_signature_is_in_its_id_and_extra_so_that_any_client_sends_it_back() -> None:
    got = seen(answer({**PARIS, "thoughtSignature": "c2ln"}))
    extra = {"provider_specific_fields": {"thought_signature": "c2ln"}}
    assert got.calls == {(0, 0): Call("call_0__thought__c2ln", "lookup", '{"city":"Paris"}', extra)}


def test_a_call_without_a_name_is_a_fault_because_the_client_could_not_run_it() -> None:
    assert seen(answer({"functionCall": {"args": {}}})).end == UNREADABLE


def test_arguments_keep_huge_integers_and_lone_surrogates() -> None:
    args = {"n": 12345678901234567890123, "s": "\ud800"}
    got = seen(answer({"functionCall": {"name": "f", "args": args}}))
    assert json.loads(got.calls[0, 0].arguments) == args


def test_a_texts_signature_is_attached_even_to_an_empty_text() -> None:
    got = play(GeminiDecoder(guarded=True), [said("Hi"), answer({"text": "", "thoughtSignature": "c2ln"})])
    assert got == [
        Text(0, "content", "Hi"),
        Attachment(0, "provider_specific_fields", {"thought_signatures": ["c2ln"]}),
    ]


def test_images_are_attached_and_numbered() -> None:
    png = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    got = seen(answer(png, {"text": "and"}), answer(png))
    url = {"url": "data:image/png;base64,AAAA"}
    assert got.attached[0, "images"] == [
        {"type": "image_url", "image_url": url, "index": 0},
        {"type": "image_url", "image_url": url, "index": 1},
    ]


def test_an_images_type_cannot_carry_text_past_a_guard() -> None:
    assert seen(answer({"inlineData": {"mimeType": "image/png; my card is 4111", "data": "AAAA"}})) == Seen()


def test_other_parts_are_never_content_or_calls_and_kept_for_a_chain_without_guards_only() -> None:
    draft = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
    parts = [CODE, {"toolCall": {"id": "x"}}, {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, draft]
    assert seen(answer(*parts)) == Seen()
    assert seen(answer(*parts), guarded=False).opaque == [
        Opaque(0, "delta", {"provider_parts": [{**part, "index": n}]}) for n, part in enumerate(parts)
    ]


def test_unknown_members_are_kept_where_they_stood_for_a_chain_without_guards_only() -> None:
    event = {**said("x", avgLogprobs=-0.5, tokenCount=0), "novelty": {"a": 1}}
    assert seen(event).opaque == []
    assert seen(event, guarded=False).opaque == [
        Opaque(0, "choice", {"avgLogprobs": -0.5}),
        Opaque(None, "chunk", {"novelty": {"a": 1}}),
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
    ],
)
def test_finish_reasons_are_openais(reason: str, finish: str) -> None:
    assert seen(said("x", finish=reason)).finish == {0: finish}


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "SOMETHING_NEW", 7])
def test_an_answer_that_broke_or_ended_for_an_unknown_reason_is_a_fault_behind_its_text_and_counts(reason: Any) -> None:
    got = seen(said("x", finish=reason, usage=USAGE))
    assert isinstance(got.end, DecodeError) and got.end.status == 502
    assert (got.content, got.finish, len(got.usage)) == ("x", {}, 1)


def test_a_later_count_of_zero_takes_nothing_back() -> None:
    zeros = {"promptTokenCount": 0, "candidatesTokenCount": 0}
    assert seen(said("a", usage=USAGE), said("b", usage=zeros)).usage[-1] == seen(said("a", usage=USAGE)).usage[-1]


@pytest.mark.parametrize(("reason", "finish"), [("MAX_TOKENS", "length"), ("SAFETY", "content_filter")])
def test_an_answer_cut_behind_a_call_is_told_as_cut(reason: str, finish: str) -> None:
    assert seen(answer(PARIS), said("and th", finish=reason)).finish == {0: finish}


@pytest.mark.parametrize("candidates", [{}, {"candidates": []}])
def test_a_blocked_prompt_is_content_filter(candidates: Any) -> None:
    blocked = {**candidates, "promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 8}}
    expected = [Usage(8, 0), Finish(0, "content_filter"), End("natural")]
    assert play(GeminiDecoder(guarded=True), [blocked, said("late")]) == expected
    assert GeminiDecoder(guarded=True).whole(sse(blocked)) == expected


def test_feedback_on_a_prompt_that_was_not_blocked_changes_nothing() -> None:
    event = {**said("x", finish="STOP"), "promptFeedback": {"safetyRatings": []}}
    assert (seen(event).content, seen(event).finish) == ("x", {0: "stop"})


def test_usage_is_in_openais_meaning() -> None:
    got = seen(said("x", finish="STOP", usage={**USAGE, "toolUsePromptTokenCount": 100, "totalTokenCount": 122}))
    assert got.usage == [Usage(110, 12, cached=4, reasoning=7)]


def test_an_event_without_one_half_of_the_counts_leaves_it_as_it_was() -> None:
    only_prompt, only_thoughts = {"promptTokenCount": 20}, {"thoughtsTokenCount": 9}
    got = seen(said("a", usage=USAGE), said("b", usage=only_prompt), said("c", usage=only_thoughts, finish="STOP"))
    assert got.usage == [Usage(10, 12, 4, 0, 7), Usage(20, 12, 0, 0, 7), Usage(20, 9, 0, 0, 9)]


def test_the_same_counts_are_told_once() -> None:
    assert len(seen(said("a", usage=USAGE), said("b", usage=USAGE)).usage) == 1


def test_candidates_are_choices_each_with_its_own_calls_and_finish() -> None:
    one = {"content": {"parts": [PARIS, PARIS]}, "finishReason": "STOP"}
    two = {"content": {"parts": [PARIS]}, "index": 2, "finishReason": "MAX_TOKENS"}
    got = seen({"candidates": [one, two]})
    assert [*got.calls] == [(0, 0), (0, 1), (2, 0)]
    assert (got.finish, got.end) == ({0: "tool_calls", 2: "length"}, End("natural"))


@pytest.mark.parametrize("index", [-1, 128, 10**30, "0", 1.0, [0], {"a": 1}, True])
def test_a_candidate_with_an_impossible_index_is_a_fault(index: Any) -> None:
    assert seen({"candidates": [{"content": {"parts": [{"text": "x"}]}, "index": index}]}).end == UNREADABLE


def test_an_answer_with_an_unfinished_candidate_has_no_end_but_finishes_the_others() -> None:
    got = seen(said("a", finish="STOP"), said("b", index=1))
    assert (got.finish, got.end) == ({0: "stop"}, None)
    assert seen(said("a")).end is None
    assert seen({"usageMetadata": USAGE}).end is None


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ({"code": 503, "message": "No.", "status": "UNAVAILABLE"}, 503, "UNAVAILABLE"),
        ({"code": 429, "message": "No.", "status": "RESOURCE_EXHAUSTED"}, 429, "RESOURCE_EXHAUSTED"),
        ({"message": "No.", "status": "RESOURCE_EXHAUSTED"}, 429, "RESOURCE_EXHAUSTED"),
        ({"code": 200, "message": "No.", "status": "INTERNAL"}, 500, "INTERNAL"),
        ({"code": "x", "message": "No.", "status": "a text of the answer"}, 502, None),
    ],
)
def test_an_error_is_a_fault_with_its_code(error: Any, status: int, kind: str | None) -> None:
    fault = DecodeError("No.", status, kind)
    for event in ({"error": error}, [{"error": error}]):
        assert seen(said("a"), event, said("b", finish="STOP")).end == fault
        assert fold(GeminiDecoder(guarded=True).whole(sse(event))).end == fault


def test_a_faults_message_is_the_providers_and_cut() -> None:
    end = seen({"error": {"code": 500, "message": "m" * 9000}}).end
    assert isinstance(end, DecodeError) and end.message == "m" * 500
    end = seen({"error": "no object"}).end
    assert isinstance(end, DecodeError) and end.message
    assert seen({**said("x", finish="STOP"), "error": None}).end == End("natural")


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b'"text"', b"[" * 100_000])
def test_data_that_is_no_json_object_is_a_fault(data: bytes) -> None:
    assert seen(data, said("x")).end == UNREADABLE


def test_after_its_end_a_decoder_gives_nothing() -> None:
    decoder = GeminiDecoder(guarded=True)
    play(decoder, [said("x", finish="STOP")])
    assert [*decoder.decode(None, sse(said("y"))), *decoder.decode(None, b"{"), *decoder.eof()] == []
    assert [*decoder.whole(b"{")] == []


def test_the_answers_id_and_model_are_known_unless_they_could_carry_text_past_a_guard() -> None:
    for guarded, expected in [
        (True, (None, "gemini-2.5-flash")),
        (False, ("mail a@b.example now", "gemini-2.5-flash")),
    ]:
        decoder = GeminiDecoder(guarded)
        decoder.decode(None, sse({**said("x"), "responseId": "mail a@b.example now"}))
        assert (decoder.meta.id, decoder.meta.model) == expected


def test_a_lone_surrogate_survives() -> None:
    assert seen(said("a\ud800b", finish="STOP")).content == "a\ud800b"


def test_a_whole_answer_is_the_same_as_its_stream() -> None:
    events = [said("Hi ", usage=USAGE), answer({"text": "Hm", "thought": True}, PARIS, finish="STOP")]
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    ids = (f"call_{n}" for n in count())
    whole = GeminiDecoder(True, lambda: next(ids)).whole(sse(answer(*parts, finish="STOP", usage=USAGE)))
    assert fold(whole) == seen(*events)
    assert seen(*events).end == End("natural")


def test_a_whole_answer_may_be_an_array_of_events() -> None:
    got = fold(GeminiDecoder(guarded=True).whole(sse([said("a"), said("b", finish="STOP")])))
    assert (got.content, got.end) == ("ab", End("natural"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"candidates":[]}', b'{"candidates":{}}'])
def test_a_whole_body_without_an_answer_is_a_fault(body: bytes) -> None:
    assert fold(GeminiDecoder(guarded=True).whole(body)).end == UNREADABLE


def test_a_client_that_wants_one_call_gets_the_first_of_each_choice() -> None:
    decoder = GeminiDecoder(True, one_call=True)
    assert len(fold(play(decoder, [answer(PARIS, PARIS), answer(PARIS, finish="STOP")])).calls) == 1
