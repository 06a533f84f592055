"""OpenAI-format streams that are not quite OpenAI's: what servers and gateways make of the format."""

from typing import Any

import pytest

from policies.events import Finish, Text
from proxy.formats.base import DecodeError
from proxy.formats.openai_chat.decode import OpenAIDecoder
from tests.proxy.formats.folding import sse
from tests.proxy.formats.openai_chat.test_decode import END, chunk, decode, one_choice

PULSES: list[tuple[str | None, bytes]] = [
    *((None, data) for data in (b"[]", b"null", b"true", b"7", b'""', b": keepalive", b": x", b"ping", b"[HEARTBEAT]")),
    *((None, data) for data in (b"keep-alive", b"2026-01-02 03:04:05.678901", b"2026-01-02T03:04:05Z")),
    *((name, b"whatever") for name in ("ping", "heartbeat", "keep-alive", "keepalive", "KEEP_ALIVE")),
]


@pytest.mark.parametrize(("event", "data"), PULSES)
def test_a_sign_of_life_as_data_is_skipped(event: str | None, data: bytes) -> None:
    decoder = OpenAIDecoder(True)
    assert decoder.decode(event, data) == ()
    assert decoder.decode(None, sse(chunk({"content": "a"}))) == [Text(0, "content", "a")]


@pytest.mark.parametrize("told", ["text", "message", "delta"])
def test_a_choice_is_read_from_the_member_that_first_has_something(told: str) -> None:
    piece = "a" if told == "text" else {"content": "a"}
    nothing = [one_choice(finish_reason=None), one_choice(delta=None, message=None)]
    got = decode(*nothing, one_choice(**{told: piece}), one_choice(**{told: piece}, finish_reason="stop"), b"[DONE]")
    assert got == [Text(0, "content", "a"), Text(0, "content", "a"), Finish(0, "stop"), END]


def test_chunks_may_share_an_event_or_stand_in_a_list_or_be_a_single_choice() -> None:
    first, second = sse(chunk({"content": "a"})), sse(chunk({"content": "b"}, 0, "stop"))
    want = [Text(0, "content", "a"), Text(0, "content", "b"), Finish(0, "stop"), END]
    assert decode(first + b"\n" + second + b"\n[DONE]") == want
    assert decode(b"[%b,%b]" % (first, second), b"[DONE]") == want
    assert decode(b"data: " + first, b"data: data: " + second, b"data: [DONE]") == want
    assert OpenAIDecoder(False).whole(first + b"\n" + second) == want
    assert decode({"choices": {"index": "0", "delta": {"content": "a"}}}) == want[:1]


PLAIN: list[tuple[str | None, bytes, str]] = [
    ("error", b"it broke", "it broke"),
    ("error", b"", "ry again"),
    (None, b"[ERROR] it broke", "it broke"),
    (None, b"error: it broke", "it broke"),
]


@pytest.mark.parametrize(("event", "data", "words"), PLAIN)
def test_an_error_in_plain_words_ends_the_answer(event: str | None, data: bytes, words: str) -> None:
    decoder = OpenAIDecoder(False)
    decoder.decode(None, sse(chunk({"content": "a"})))
    (got,) = decoder.decode(event, data)
    assert isinstance(got, DecodeError) and words in got.message
    assert decoder.decode(None, b"[DONE]") == ()


BROKE = {"message": "it broke", "code": 429}


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"content": ""}, "finish_reason": "error", "error": BROKE},
        {"error": BROKE},
        {"delta": None, "error": BROKE},
        {"delta": {"content": "", "error": BROKE}},
    ],
)
def test_an_error_within_a_choice_ends_the_answer(choice: Any) -> None:
    assert decode(chunk({"content": "a"}), one_choice(**choice), b"[DONE]")[1:] == [DecodeError("it broke", 429)]


def test_events_without_any_choice_are_no_answer() -> None:
    decoder = OpenAIDecoder(True)
    decoder.decode(None, b'{"type":"message_start","message":{"id":"m"}}')
    (got,) = decoder.eof()
    assert isinstance(got, DecodeError) and "base_url" in got.message


DISGUISED: dict[str, tuple[dict[str, Any], int]] = {
    "code and msg": ({"code": 429, "msg": "it broke"}, 429),
    "code and message": ({"code": "503", "message": "it broke"}, 503),
    "no success": ({"success": False, "message": "it broke"}, 502),
    "detail": ({"detail": "it broke"}, 502),
    "FastAPI": ({"detail": [{"loc": ["body"], "msg": "it broke"}]}, 502),
    "Baidu": ({"error_code": 336003, "error_msg": "it broke"}, 502),
    "MiniMax": ({"base_resp": {"status_code": 1008, "status_msg": "it broke"}, "choices": None}, 502),
    "Spark": ({"header": {"code": 11200, "message": "it broke"}}, 502),
    "a list": ({"errors": [{"message": "it broke"}]}, 502),
    "a state": ({"status": "error", "message": "it broke"}, 502),
    "a message alone": ({"message": "it broke"}, 502),
    "true": ({"error": True, "message": "it broke"}, 502),
}


@pytest.mark.parametrize(("event", "status"), DISGUISED.values(), ids=DISGUISED.keys())
def test_an_object_without_choices_that_says_what_is_wrong_is_an_error(event: dict[str, Any], status: int) -> None:
    assert decode(chunk({"content": "a"}), event, b"[DONE]")[-1] == DecodeError("it broke", status)
    assert OpenAIDecoder(False).whole(sse(event))[-1] == DecodeError("it broke", status)


@pytest.mark.parametrize(
    "event",
    [
        {"code": 0, "msg": "ok"},
        {"status": "processing", "message": "please wait"},
        {"type": "ping", "message": "x"},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"usage": {"prompt_tokens": 1}, "message": "x"},
        {"success": True},
        {},
    ],
)
def test_an_object_without_choices_that_says_all_is_well_is_none(event: dict[str, Any]) -> None:
    assert decode(event, chunk({"content": "a"}), guarded=True)[-1] == Text(0, "content", "a")
