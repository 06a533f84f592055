"""No answer, however broken, makes the Anthropic or Gemini decoder raise, or break the rules that `fold` asserts."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import Decoder
from proxy.formats.gemini.decode import GeminiDecoder
from tests.proxy.formats import anthropic_events as anthropic
from tests.proxy.formats import gemini_events as gemini
from tests.proxy.formats.damage import damaged
from tests.proxy.formats.folding import fold, play

BLOCKS = [event["content_block"] for event in anthropic.EVERYTHING if "content_block" in event]
MESSAGE = {**anthropic.START["message"], "content": BLOCKS, "stop_reason": "tool_use"}
STREAMS = [(AnthropicDecoder, anthropic.EVERYTHING), (GeminiDecoder, gemini.EVERYTHING)]
BODIES = [(AnthropicDecoder, [MESSAGE]), (GeminiDecoder, gemini.EVERYTHING[2:3])]
Make = Callable[[bool], Decoder]


@pytest.mark.parametrize(("make", "events"), STREAMS)
def test_no_damage_to_a_stream_breaks_a_decoder(make: Make, events: list[Any]) -> None:
    @settings(max_examples=150, deadline=None)
    @given(damaged(events), st.booleans())
    def check(stream: list[bytes], guarded: bool) -> None:
        decoder = make(guarded)
        seen = fold(play(decoder, stream))
        assert not guarded or not seen.opaque
        if seen.end is not None:
            assert (*decoder.decode(None, stream[0]), *decoder.eof(), *decoder.whole(stream[0])) == ()

    check()


@pytest.mark.parametrize(("make", "bodies"), BODIES)
def test_no_damage_to_a_whole_body_breaks_a_decoder(make: Make, bodies: list[Any]) -> None:
    @settings(max_examples=100, deadline=None)
    @given(damaged(bodies), st.booleans())
    def check(damaged_bodies: list[bytes], guarded: bool) -> None:
        for body in damaged_bodies:
            seen = fold(make(guarded).whole(body))
            assert seen.end is not None
            assert not guarded or not seen.opaque

    check()


@pytest.mark.parametrize("make", [AnthropicDecoder, GeminiDecoder])
def test_no_bytes_break_a_decoder(make: Make) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.binary(max_size=20), max_size=3), st.booleans())
    def check(stream: list[bytes], guarded: bool) -> None:
        fold(play(make(guarded), stream))

    check()
