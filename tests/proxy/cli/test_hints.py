"""Hints of `sluice check` about a valid file."""

import pytest

from proxy.cli.hints import hints
from proxy.config.load import parse

FILE = """\
providers: {{openai: {{api_key: k}}}}
models:
  fast: {{target: openai/a}}
  "gemini-*": {{target: "openai/*"}}
  one: {{target: openai/a{policies}}}
default_policies: [redact/a]
policies:
  redact/a: {{rules: [{{name: r, words: [ab]}}]}}
  redact/b: {{rules: [{{name: s, words: [ab]}}]}}
  token_cap/c: {{max_tokens: 9}}
"""
UNUSED = ["redact/b", "token_cap/c"]


def told(policies: str = "", keys: str = "") -> list[str]:
    """The hints, those on unused policies left out."""
    text = FILE.format(policies=policies) + (f"auth: {{keys: [{keys}]}}\n" if keys else "")
    return [hint for hint in hints(parse(text, environ={})) if "is not used by any model" not in hint]


def test_policies_that_no_model_uses_are_told() -> None:
    found = list(hints(parse(FILE.format(policies=""), environ={})))
    assert [hint.split()[0] for hint in found] == UNUSED


def test_a_model_whose_own_policies_leave_the_default_ones_out_is_told() -> None:
    [hint] = told(", policies: [token_cap/c]")
    assert hint.startswith("one: default_policies (redact/a) do not apply to it")


@pytest.mark.parametrize(
    "policies", ["", ", policies: []", ", policies: [redact/b]", ", policies: [token_cap/c, redact/a]"]
)
def test_a_model_that_says_what_it_means_is_not(policies: str) -> None:
    assert told(policies) == []


def key(*models: str, admin: bool = True) -> str:
    return f"{{name: team, key: longenough1, models: {list(models)}, admin: {str(admin).lower()}}}"


@pytest.mark.parametrize("glob", ["gpt-*", "fas", "faster", "gemini", "Fast", "fas?t"])
def test_a_key_that_names_no_model_is_told(glob: str) -> None:
    [hint] = told(keys=key("fast", glob))
    assert hint.startswith(f"key team: {glob} matches no model")


@pytest.mark.parametrize(
    "glob", ["*", "f*", "?ast", "[fg]*", "gemini-*", "gemini-2*", "gemini-2.5-pro", "gem*", "o[n]e"]
)
def test_a_key_that_may_name_a_model_is_not(glob: str) -> None:
    assert told(keys=key(glob)) == []


def test_keys_without_one_for_operators_are_told() -> None:
    [hint] = told(keys=key("*", admin=False))
    assert "No key has `admin: true`" in hint
