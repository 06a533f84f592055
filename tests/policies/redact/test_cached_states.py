"""Pieces of text that are looked up in the cache."""

import random

import pytest

from policies.redact import Redactor, RuleError, Stream
from policies.redact import cached_states as places
from policies.redact.cached_states import Places
from tests.policies.redact import random_rules
from tests.policies.redact.entity_cases import POSITIVE

RULES = [
    {"name": "pii", "entity": "pii"},
    {"name": "secrets", "entity": "secrets"},
    {"name": "w", "words": ["alpha", "beta"]},
    {"name": "code", "entity": "dangerous_code", "action": "flag"},
]


def remembered(redactor: Redactor) -> list[str]:
    """All pieces that are remembered somewhere."""
    return [piece for place, piece in redactor._lanes.places._pieces if piece in place]


def forget(redactor: Redactor) -> None:
    for place in (redactor._lanes.places.start, *redactor._lanes.places._known.values()):
        place.forget()


def shown(stream: Stream) -> tuple[object, ...]:
    return stream.held, stream.settled, stream.position, list(stream.matches), stream.blocked, stream.overflowed


def random_redactors(rng: random.Random) -> tuple[Redactor, Redactor]:
    """Two of the same rules."""
    while True:
        specs = [random_rules.rule(rng, f"r{i}") for i in range(rng.randint(1, 3))]
        for spec in specs:
            spec["action"] = rng.choice(["redact", "redact", "flag", "block"])
            spec["max_hold"] = rng.choice([3, 64])
        try:
            return Redactor(specs), Redactor(specs)
        except RuleError:
            continue


@pytest.mark.parametrize("exotic", [False, True])
def test_what_is_remembered_is_what_following_each_character_gives(exotic: bool) -> None:
    rng = random.Random(5 + exotic)
    for _ in range(120):
        redactor, twin = random_redactors(rng)
        for _ in range(25):
            text = random_rules.text(rng, 24, exotic=exotic)
            stream, other, out, expected = redactor.stream(), twin.stream(), "", ""
            for piece in random_rules.cuts(rng, text):
                out += stream.feed(piece)
                for char in piece:
                    forget(twin)
                    expected += other.feed(char)
                assert (out, shown(stream)) == (expected, shown(other)), (redactor.rules, text)
            assert out + stream.close() == expected + other.close()
            assert shown(stream) == shown(other)


def test_a_piece_is_followed_once_in_whatever_stream_it_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor(RULES)
    pieces = ["The", " quick", " brown", " fox", ",", "狐", " said", "\n"]
    for _ in range(2):
        expected = "".join([*map((stream := redactor.stream()).feed, pieces), stream.close()])
    monkeypatch.setattr(Places, "follow", lambda *_: pytest.fail("followed again"))
    stream = redactor.stream()
    assert "".join([*map(stream.feed, pieces), stream.close()]) == expected == "".join(pieces)


def test_a_place_says_nothing_of_what_came_before() -> None:
    known = Redactor(RULES)._lanes.places
    assert known.start["The"] is not known.start
    after = [known.start["Then it rains, "], known.start["a, "], known.start["狐, "]]
    assert after[0] is after[1] is after[2]


def test_neither_numbers_nor_what_matches_is_remembered() -> None:
    redactor = Redactor(RULES)
    texts = [text for texts in POSITIVE.values() for text in texts]
    for text in (*texts, "in 2024 and on the 5th: 12, alpha beta"):
        for size in (1, 4, 7, 30):
            stream = redactor.stream()
            for at in range(0, len(text), size):
                stream.feed(text[at : at + size])
            stream.close()
    pieces = remembered(redactor)
    assert pieces and not any(char.isdigit() for piece in pieces for char in piece)
    assert max(map(len, pieces)) <= places.SHORT
    assert not {"alpha", "beta", " alpha ", " beta"} & set(pieces)


def test_nothing_of_a_match_that_is_long_under_way_is_remembered() -> None:
    redactor = Redactor([{"name": "key", "regex": "key=[a-z]{300}"}], max_hold=400)
    stream = redactor.stream()
    key = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=250))
    for at, text in enumerate("key=" + key):
        stream.feed(text)
        assert len(remembered(redactor)) <= places.SHORT, at
    assert stream.held == 254
    stream.feed("end ")
    assert stream.held == 0 and "end " not in remembered(redactor)


def test_the_memory_is_bounded_and_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_PIECES", 40)
    redactor = Redactor(RULES)
    rng = random.Random(2)
    stream = redactor.stream()
    for _ in range(400):
        stream.feed("".join(rng.choices("abc ,", k=3)))
        assert len(redactor._lanes.places._pieces) <= 40 and len(remembered(redactor)) <= 40
    stream.feed(", ")
    stream.feed("last, ")
    assert "last, " in remembered(redactor)
