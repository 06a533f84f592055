"""The search for leaks finds them. A search that finds nothing would call every gateway safe."""

import json
from typing import Any

import pytest

from benchmarks.leak_answers import arrived, leaked, texts_of
from benchmarks.leak_cases import AFTER, BEFORE, PLACES, SECRETS, cases

SECRET = "ann.lee@brookfield-mail.net"


def events(*deltas: dict[str, Any], index: int = 0) -> bytes:
    """A stream of one choice."""
    chunks = [{"choices": [{"index": index, "delta": delta}]} for delta in deltas]
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def calls(*pieces: str) -> list[dict[str, Any]]:
    return [{"tool_calls": [{"index": 1, "function": {"arguments": piece}}]} for piece in pieces]


@pytest.mark.parametrize(
    "body",
    [
        events({"content": "to ann.l"}, {"content": "ee@brookfield"}),
        events(*({"reasoning_content": letter} for letter in SECRET)),
        events({"unheard_of": {"copies": [{"text": SECRET}]}}),
        events(*calls('{"to": "ann.lee', '@brook"}')),
        events({"content": "ann"}) + events({"content": "hm"}, index=1) + events({"content": ".lee@b"}),
        events({"content": SECRET.replace("e", "\\u0065")}),
        json.dumps({"choices": [{"index": 0, "message": {"content": SECRET}}]}).encode(),
    ],
    ids=["cut in two", "letter by letter", "a field nobody knows", "tool call", "two choices", "escaped", "whole"],
)
def test_a_secret_is_found_in_any_field_however_it_is_cut(body: bytes) -> None:
    assert leaked(texts_of(body), SECRET)


def test_a_secret_is_found_in_the_bytes_of_logprobs() -> None:
    tokens = [{"token": "?", "bytes": list(SECRET[at : at + 3].encode())} for at in range(0, 27, 3)]
    body = json.dumps({"choices": [{"index": 0, "logprobs": {"content": tokens}}]}).encode()
    assert leaked(texts_of(body), SECRET) == [".choices[0].logprobs.content[].bytes"]


def test_labels_and_five_letters_are_no_leak() -> None:
    body = events({"content": "to [EMAIL] or ann.l"}, {"content": " at brook"})
    assert not leaked(texts_of(body), SECRET)


def test_an_answer_has_arrived_when_the_text_around_the_secret_is_there() -> None:
    texts = texts_of(events({"content": BEFORE}, {"content": "[EMAIL]"}, {"content": AFTER}))
    assert arrived(texts, "content", (BEFORE, AFTER))
    assert not arrived(texts, "refusal", (BEFORE, AFTER))
    assert not arrived(texts_of(events({"content": BEFORE})), "content", (BEFORE, AFTER))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_every_place_has_a_case_for_each_position_of_each_secret(place: Any) -> None:
    made = list(cases(place))
    assert len({case.model for case in made}) == len(made)
    for secret in SECRETS:
        assert sum(case.secret is secret for case in made) >= len(secret.text) - 1
