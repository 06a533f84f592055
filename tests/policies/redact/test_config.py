"""The policy's YAML: every key on a rule and as the policy's default, and the place of each error."""

from typing import Any

import pytest

from policies.base import Context, Request
from policies.events import Finish, Text, ToolCall
from policies.redact.config import RedactConfig
from policies.redact.policy import Redact, build
from proxy.config.load import ConfigError, parse
from tests.policies.redact.feeding import ask

Keys = dict[str, Any]
BRACKETS = {"name": "r", "regex": "<[^>]*>"}
LONG = "a <" + "b" * 20 + "> c"


def made(rule: Keys, **policy: Any) -> Redact:
    config = RedactConfig.model_validate({"rules": [{"name": "r", **rule}], **policy})
    return build("redact/t", config, Context("m", lambda: 0.0))


def answer(policy: Redact, text: str, channel: Any = "content") -> str:
    out = [v for ch in text for v in policy.feed(Text(0, channel, ch))]
    out += policy.feed(Finish(0, "stop"))
    return "".join(v.text for v in out if isinstance(v, Text))


def asked(policy: Redact, text: str) -> str:
    request = ask(policy, {"messages": [{"role": "user", "content": text}]})
    assert isinstance(request, Request)
    return str(request.body["messages"][0]["content"])


SWITCHES: list[tuple[Keys, Keys, Keys, str, str, str]] = [
    # rule, the key set one way, the other way, text, and the output of each
    ({"regex": "b+"}, {"action": "redact"}, {"action": "flag"}, "abbc", "a[R]c", "abbc"),
    ({"regex": "b+"}, {"replace": "<1>"}, {"replace": "<2>"}, "abbc", "a<1>c", "a<2>c"),
    ({"regex": "b+"}, {"mask": "*"}, {"mask": "#"}, "abbc", "a**c", "a##c"),
    ({"regex": "b+"}, {"mask": "*", "keep_last": 1}, {"mask": "*", "keep_last": 2}, "abbbc", "a**bc", "a*bbc"),
    ({"regex": "b+"}, {"channels": ["content"]}, {"channels": ["refusal", "tools"]}, "abbc", "a[R]c", "abbc"),
    ({"regex": "b+"}, {"direction": "both"}, {"direction": "request"}, "abbc", "a[R]c", "abbc"),
    ({"regex": "b+"}, {"mode": "enforce"}, {"mode": "shadow"}, "abbc", "a[R]c", "abbc"),
    ({"regex": "b+"}, {"normalize": True}, {"normalize": False}, "aｂc", "a[R]c", "aｂc"),
    ({"words": ["Bb"]}, {"ignore_case": True}, {"ignore_case": False}, "abbc", "a[R]c", "abbc"),
    ({"words": ["bb"]}, {"whole_word": False}, {"whole_word": True}, "abbc", "a[R]c", "abbc"),
    (BRACKETS, {"max_hold": 100}, {"max_hold": 6}, LONG, "a [R] c", "a [REDACTED] c"),
    (BRACKETS, {"max_hold": 9}, {"max_hold": 9, "on_overflow": "open"}, LONG, "a [REDACTED] c", "a <bbbbbbbbbbb[R] c"),
]


@pytest.mark.parametrize(("rule", "one", "other", "text", "first", "second"), SWITCHES)
def test_every_key_works_on_the_rule_and_as_the_policy_s_default(
    rule: Keys, one: Keys, other: Keys, text: str, first: str, second: str
) -> None:
    for keys, expected in ((one, first), (other, second)):
        assert answer(made({**rule, **keys}), text) == expected
        assert answer(made(rule, **keys), text) == expected


@pytest.mark.parametrize(("rule", "one", "other", "text", "first", "second"), SWITCHES)
def test_a_rule_s_own_key_goes_before_the_policy_s(
    rule: Keys, one: Keys, other: Keys, text: str, first: str, second: str
) -> None:
    if one.keys() == other.keys():
        assert answer(made({**rule, **one}, **other), text) == first
        assert answer(made({**rule, **other}, **one), text) == second


@pytest.mark.parametrize("channel", ["content", "reasoning", "refusal"])
def test_channels_on_the_policy_limit_its_rules(channel: str) -> None:
    for here in ("content", "reasoning", "refusal"):
        assert answer(made({"regex": "b+"}, channels=[channel]), "abbc", here) == (
            "a[R]c" if here == channel else "abbc"
        )
    call, *_ = made({"regex": "b+"}, channels=["tools"]).feed(ToolCall(0, 0, "i", "f", '"abbc"'))
    assert isinstance(call, ToolCall) and call.arguments == '"a[R]c"'


@pytest.mark.parametrize(("direction", "expected"), [("response", "abbc"), ("request", "a[R]c"), ("both", "a[R]c")])
def test_the_direction_decides_on_the_request(direction: str, expected: str) -> None:
    assert asked(made({"regex": "b+", "direction": direction}), "abbc") == expected
    assert asked(made({"regex": "b+"}, direction=direction), "abbc") == expected


def test_the_hash_key_is_the_rule_s_or_else_the_policy_s() -> None:
    rule = {"regex": "b+", "action": "hash"}
    own, shared = answer(made({**rule, "hash_key": "k"}), "abbc"), answer(made(rule, hash_key="k"), "abbc")
    assert own == shared and own.startswith("a[R:")
    assert answer(made({**rule, "hash_key": "k"}, hash_key="l"), "abbc") == own
    assert answer(made(rule, hash_key="l"), "abbc") != own
    config = RedactConfig.model_validate({"rules": [{"name": "r", **rule, "hash_key": "topsecret"}]})
    assert "topsecret" not in repr(config) and "topsecret" not in repr(config._rules)


def test_a_bound_is_the_rule_s_alone() -> None:
    rules = [{**BRACKETS, "max_hold": 6}, {"name": "s", "regex": r"\([^)]*\)", "max_hold": 100}]
    config = RedactConfig.model_validate({"rules": rules, "max_hold": 12})
    text = "a <bbbbbbbbbb> (cccccccccc) d"
    assert answer(build("redact/t", config, Context("m", lambda: 0.0)), text) == "a [REDACTED] [S] d"


def test_text_stays_while_one_of_the_rules_it_is_held_for_allows() -> None:
    rules = [{**BRACKETS, "max_hold": 4}, {"name": "s", "regex": "<.*!", "max_hold": 100}]
    config = RedactConfig.model_validate({"rules": rules})
    for text, expected in (("<bbbbbbbbbb! d", "[S] d"), ("<bbbbbbbbbb> d!", "[S]"), ("<bbbbbbbbbb> d", "[R] d")):
        assert answer(build("redact/t", config, Context("m", lambda: 0.0)), text) == expected


def test_closed_goes_before_open_where_text_is_held_for_both() -> None:
    rules = [{**BRACKETS, "on_overflow": "open"}, {"name": "s", "regex": "<[^>]*!"}]
    config = RedactConfig.model_validate({"rules": rules, "max_hold": 4})
    text = "<bbbbbbbbbb d"
    assert "[REDACTED]" in answer(build("redact/t", config, Context("m", lambda: 0.0)), text)
    config = RedactConfig.model_validate({"rules": rules[:1], "max_hold": 4})
    assert answer(build("redact/t", config, Context("m", lambda: 0.0)), text) == text


def test_defaults_that_cannot_apply_to_a_rule_are_left_out() -> None:
    rules = [
        {"name": "w", "words": ["Bb"]},
        {"name": "r", "regex": "c+"},
        {"name": "f", "regex": "b", "action": "flag"},
        {"name": "p", "regex": "d+", "action": "pseudonymize"},
    ]
    config = RedactConfig.model_validate(
        {"rules": rules, "mask": "*", "ignore_case": False, "hash_key": "k", "max_hold": 9, "direction": "response"}
    )
    policy = build("redact/t", config, Context("m", lambda: 0.0))
    assert asked(policy, "Bb c d") == "Bb c [P-1]"
    assert answer(policy, "Bb bb cc [p-1]") == "** bb ** d"


FILE = r"""
providers: {openai: {api_key: k}}
models: {m: {target: openai/m, policies: [redact/pii]}}
policies:
  redact/pii:
    rules:
      - {name: good, words: [x]}
      - name: broken
        replace: "[B]"
        regex: '(a'
      - {name: back, action: block, regex: '(a)\1'}
      - name: emial
        entity: emial
      - name: two
        words: [a]
        regex: b
      - name: stars
        regex: a
        mask: "**"
      - name: file
        words_file: nowhere.txt
      - {name: held, regex: a,
         max_hold: 0}
      - {name: other, regexp: a}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parse(text, "c.yaml", environ={})
    return [line.split(": ", 1)[0] + " " + line.split(": ")[-1] for line in str(refused.value).splitlines()]


def test_each_error_of_a_rule_is_told_at_the_line_of_its_key() -> None:
    told = problems(FILE)
    at = "policies.redact/pii.rules"
    assert [line.split(" ")[:2] for line in told] == [
        ["c.yaml:10:16", f"{at}[1].regex"],
        ["c.yaml:11:44", f"{at}[2].regex"],
        ["c.yaml:13:17", f"{at}[3].entity"],
        ["c.yaml:16:16", f"{at}[4].regex"],
        ["c.yaml:19:15", f"{at}[5].mask"],
        ["c.yaml:21:21", f"{at}[6].words_file"],
        ["c.yaml:23:20", f"{at}[7].max_hold"],
        ["c.yaml:24:23", f"{at}[8].regexp"],
    ]


def test_what_rules_get_wrong_together_is_told_at_each_too() -> None:
    told = problems(
        "providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m}}\npolicies:\n  redact/x:\n    rules:\n"
        "      - {name: a, regex: a, action: hash}\n"
        "      - {name: b, regex: b}\n"
        "      - {name: b, regex: c}\n"
        "      - {name: c, regex: c, mask: '*', replace: x}\n"
        "      - {name: d, regex: d, action: flag, on_overflow: open}\n"
    )
    at = "policies.redact/x.rules"
    assert [line.split(" ")[:2] for line in told] == [
        ["c.yaml:6:37", f"{at}[0].action"],
        ["c.yaml:8:16", f"{at}[2].name"],
        ["c.yaml:9:35", f"{at}[3].mask"],
        ["c.yaml:10:56", f"{at}[4].on_overflow"],
    ]


def test_a_rule_too_large_is_told_at_its_regex() -> None:
    told = problems(
        "providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m}}\npolicies:\n  redact/x:\n    rules:\n"
        "      - {name: a, regex: a}\n      - {name: b, regex: '(?:a{100}){100}'}\n"
        "      - {name: c, entity: iban, max_hold: 5}\n"
    )
    assert [line.split(" ")[:2] for line in told] == [["c.yaml:7:26", "policies.redact/x.rules[1].regex"]]
