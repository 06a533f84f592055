"""JSON in, JSON out: each row on every cut."""

import json

import pytest

from policies.redact import Match, Redactor
from tests.policies.redact.splits import check, every_cut, run

REDACTOR = Redactor(
    [
        {"name": "k", "words": ["secret", "😀x", "foobar"], "replace": '[K"]'},
        {"name": "email", "entity": "email"},
        {"name": "card", "entity": "credit_card"},
        {"name": "m", "regex": "m{2,}", "mask": "*", "keep_last": 1},
    ]
)
CASES = [
    ("an escape is the character it stands for", r'{"q":"my \u0073ecret","n":1}', r'{"q":"my [K\"]","n":1}'),
    ("an escaped quote ends no string", r'{"a":"x\"bob@ex.com","b":"c@d"}', r'{"a":"x\"[EMAIL]","b":"c@d"}'),
    ("values never join", '["foo","bar","foobar"]', r'["foo","bar","[K\"]"]'),
    ("a surrogate pair is one character", r'["\ud83d\ude00x\n"]', r'["[K\"]\n"]'),
    (
        "lone surrogates pass as they came",
        r'["\ud83d","\ude00x","\ud83d\u0041"]',
        r'["\ud83d","\ude00x","\ud83d\u0041"]',
    ),
    ("what is not redacted keeps its spelling", r'["\u0061\/\t é"]', r'["\u0061\/\t é"]'),
    (
        "a redacted number becomes a string",
        '{"card": 4111111111111111 , "n": -1.5e3}',
        '{"card": "[CARD]" , "n": -1.5e3}',
    ),
    ("a number alone too", "4111111111111111", '"[CARD]"'),
    ("a number alone with space", "12 ", "12 "),
    ("keys too", '{"bob@ex.com": {"secret": null}}', r'{"[EMAIL]": {"[K\"]": null}}'),
    ("literals pass", "[true, false ,null]", "[true, false ,null]"),
    ("empty containers pass", '{"a":[],"b":{}}', '{"a":[],"b":{}}'),
    ("several values in a row", '{"a":"secret"}\n{"b":"secret"}', '{"a":"[K\\"]"}\n{"b":"[K\\"]"}'),
    ("a kept tail keeps its spelling", r'["m\u006d\u006d"]', r'["**\u006d"]'),
    ("prose is plain text", "my secret: a@b.com", 'my [K"]: [EMAIL]'),
    ("a fence is plain text", '```json\n{"a":"secret"}\n```', '```json\n{"a":"[K"]"}\n```'),
    ("a number torn apart is plain text", "[4111 1111 1111 1111]", "[[CARD]]"),
    ("broken JSON is plain text from there", '{"a":"secret"} and secret', '{"a":"[K\\"]"} and [K"]'),
    ("a literal where none may stand", "{false and secret", '{false and [K"]'),
    ("broken JSON in an escaped spelling", r'{"a" "\u0073ecret"}', r'{"a" "[K"]"}'),
    ("a text that ends in a string", '{"a":"my secret', '{"a":"my [K\\"]'),
    ("a text that ends in an escape", r'{"a":"x\u00', r'{"a":"x\u00'),
    ("an unknown escape is its character", r'["\secret"]', r'["[K\"]"]'),
    ("a raw newline stays in its string", '["a\nsecret"]', '["a\n[K\\"]"]'),
    ("nothing is nothing", "", ""),
]


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_cut_gives_the_same(text: str, expected: str) -> None:
    check(REDACTOR, text, expected, as_json=True)
    try:
        json.loads(text)
    except ValueError:
        return
    json.loads(expected)


def test_matches_are_placed_in_the_json_text() -> None:
    stream = REDACTOR.json_stream()
    stream.feed(r'{"a":"\u0061 secret","b":4111111111111111}')
    assert stream.matches == [Match("k", 13, 19), Match("card", 25, 41)]


def test_an_unnatural_end_drops_what_is_held() -> None:
    for text in ('{"a":"bob@ex', '{"a":4111', r'{"a":"\u00', '{"a":tr'):
        stream = REDACTOR.json_stream()
        out = stream.feed(text)
        assert text.startswith(out) and len(out) <= 6
        assert stream.close(natural=False) == ""


def test_a_block_in_a_string_ends_the_text() -> None:
    redactor = Redactor([{"name": "b", "words": ["bomb"], "action": "block"}])
    for chunks in every_cut('{"a":"the bomb","b":1}'):
        stream = redactor.json_stream()
        assert run(stream, chunks) == '{"a":"the '
        assert stream.blocked == "b"


def test_a_token_the_client_has_already_is_not_said_twice() -> None:
    stream = REDACTOR.json_stream()
    stream.feed('{"n": 41')
    stream.skip()
    assert stream.feed("2, ") + stream.feed('"a":1}') == '2, "a":1}'


def test_a_number_longer_than_what_may_be_held_makes_the_text_plain_however_it_is_cut() -> None:
    redactor = Redactor([{"name": "k", "words": ["secret"], "replace": '"K"'}], max_hold=8)
    check(redactor, '{"a":12345678,"b":"secret"}', r'{"a":12345678,"b":"\"K\""}', as_json=True)
    check(redactor, '{"a":123456789,"b":"secret"}', '{"a":123456789,"b":""K""}', as_json=True)
    check(redactor, '{"a":1234567  ,"b":"secret"}', '{"a":1234567  ,"b":""K""}', as_json=True)
