"""Finish reasons: each that a vendor's current SDK knows has its row, and what is unknown is never a whole answer."""

from typing import get_args

import pytest
from anthropic.types import StopReason
from anthropic.types.beta import BetaStopReason
from google.genai.types import FinishReason as GeminiReason
from openai.types.chat.chat_completion import Choice

from policies.events import FinishReason
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import DecodeError, Decoder
from proxy.formats.finish import ANTHROPIC, BROKEN, GEMINI, OPENAI, UNSAID, broken_off, openai, worse
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.formats.openai_chat.decode import OpenAIDecoder
from tests.proxy.formats import anthropic_events, gemini_events
from tests.proxy.formats.folding import fold, play

REASONS = get_args(FinishReason)


def test_each_reason_of_the_vendors_sdks_has_its_row() -> None:
    assert set(get_args(StopReason)) | set(get_args(BetaStopReason)) == ANTHROPIC.keys()
    assert {reason.value for reason in GeminiReason} == GEMINI.keys()
    assert set(get_args(Choice.model_fields["finish_reason"].annotation)) <= OPENAI.keys()


def test_googles_and_anthropics_reasons_mean_the_same_in_openais_format() -> None:
    assert all(OPENAI[name.lower()] == ending for table in (ANTHROPIC, GEMINI) for name, ending in table.items())


@pytest.mark.parametrize("first", REASONS)
@pytest.mark.parametrize("second", REASONS)
def test_of_two_reasons_the_same_one_counts_whichever_came_first(first: FinishReason, second: FinishReason) -> None:
    assert worse(first, second) == worse(second, first) in (first, second)
    assert worse(None, first) == first


@pytest.mark.parametrize("reason", [None, 7, "", "the answer is " + "x" * 200])
def test_a_broken_answers_message_quotes_only_what_has_the_form_of_a_name(reason: object) -> None:
    assert "finish reason" not in broken_off(reason).message
    assert "(finish reason OTHER)" in broken_off("OTHER").message


def openai_events(reason: str) -> list[object]:
    return [{"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": reason}]}, b"[DONE]"]


ROWS: list[tuple[Decoder, list[object], str]] = [
    *[(OpenAIDecoder(True), openai_events(name), ending) for name, ending in OPENAI.items()],
    *[(OpenAIDecoder(True), openai_events(name.upper()), ending) for name, ending in OPENAI.items()],
    *[(GeminiDecoder(True), [gemini_events.said("x", finish=name)], ending) for name, ending in GEMINI.items()],
    *[
        (AnthropicDecoder(True), [*anthropic_events.text(0, "x"), *anthropic_events.ended(name)], ending)
        for name, ending in ANTHROPIC.items()
    ],
]


@pytest.mark.parametrize(("decoder", "events", "ending"), ROWS, ids=[f"{i}-{row[2]}" for i, row in enumerate(ROWS)])
def test_an_answer_ends_as_its_row_says(decoder: Decoder, events: list[object], ending: str) -> None:
    seen = fold(play(decoder, events))
    assert seen.content == "x"
    if ending == BROKEN:
        assert isinstance(seen.end, DecodeError) and not seen.finish
    elif ending == UNSAID:  # the end's mark ends the answer, if the format has one
        assert seen.finish == ({0: "stop"} if isinstance(decoder, OpenAIDecoder) else {})
    else:  # there are no calls, so nothing is to be run
        assert seen.finish == {0: "stop" if ending in ("tool_calls", "function_call") else ending}


SPELLINGS = {
    "stop": ["Stop", " stop ", "FinishReason.STOP", "FINISH_REASON_STOP", "endTurn", "END-TURN", "eosFound"],
    "length": ["max-tokens", "maxTokens", "FinishReason.MAX_TOKENS", "max output tokens"],
    "tool_calls": ["tool-calls", "toolCalls", "Tool_Calls"],
    "content_filter": ["content-filter", "contentFilter", "FinishReason.SAFETY"],
    UNSAID: ["null", "None", "NULL", "FINISH_REASON_UNSPECIFIED"],
    BROKEN: ["", "something new", "x" * 100, 1, True, None, ["stop"], {"type": "stop"}],
}


@pytest.mark.parametrize(("ending", "reason"), [(e, reason) for e, all in SPELLINGS.items() for reason in all])
def test_an_openai_format_servers_reason_is_read_however_it_is_spelt(ending: str, reason: object) -> None:
    assert openai(reason) == ending
