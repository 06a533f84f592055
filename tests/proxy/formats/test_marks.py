"""Marks, signs of life and plain words in a stream. The decoders' tests play them."""

import pytest

from proxy.formats.marks import MAX_PULSE, is_done, is_pulse, plain_error, without_prefix


@pytest.mark.parametrize("data", [b"[DONE]", b" [DONE]\n", b"[done]", b'"[DONE]"'])
def test_the_ends_mark_is_known_however_it_is_written(data: bytes) -> None:
    assert is_done(data) and not is_done(data + b"x")


@pytest.mark.parametrize(
    "data", [b"hello", b"ping pong", b"x", b"\xff", b"[7]", b'"ping of death"', b":" * (MAX_PULSE + 1)]
)
def test_what_could_be_an_answer_is_no_sign_of_life(data: bytes) -> None:
    assert not is_pulse(None, data) and not is_pulse("message", data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[ERROR] it broke", "it broke"),
        (b"error: it broke", "it broke"),
        (b"[ERROR]", ""),
        (b"Errors are human", None),
        (b"It was an error", None),
    ],
)
def test_an_error_in_plain_words_begins_with_the_word(data: bytes, message: str | None) -> None:
    assert plain_error(data) == message


def test_an_event_within_an_event_is_unwrapped() -> None:
    assert without_prefix(b"data: data: {}") == without_prefix(b"data:{}") == without_prefix(b"{}") == b"{}"
