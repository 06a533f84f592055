"""pydantic's errors in plain words."""

from typing import Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from proxy.config.models import Config, Strict
from proxy.config.validation import validate

GOOD: dict[str, Any] = {"providers": {"openai": {}}, "models": {"m": {"target": "openai/x"}}}


@pytest.mark.parametrize(
    ("section", "path", "message"),
    [
        ({"server": {"port": "x"}}, ("server", "port"), "must be a whole number"),
        ({"server": {"port": None}}, ("server", "port"), "must be a whole number"),
        ({"server": {"port": 80.5}}, ("server", "port"), "must be a whole number"),
        ({"server": {"port": "9" * 5000}}, ("server", "port"), "must be a whole number that is not so large"),
        ({"server": {"port": True}}, ("server", "port"), "must be a number, not true or false"),
        ({"server": {"port": 70000}}, ("server", "port"), "must be less than or equal to 65535"),
        ({"server": {"host": 127}}, ("server", "host"), "must be text; put it in quotes"),
        ({"server": {"keep_alive": "soon"}}, ("server", "keep_alive"), "must be a number"),
        ({"server": {"keep_alive": []}}, ("server", "keep_alive"), "must be a number"),
        ({"server": []}, ("server",), "must be a mapping of `key: value` lines"),
        ({"models": {}}, ("models",), "must not be empty"),
        ({"models": []}, ("models",), "must be a mapping of `key: value` lines"),
        ({"default_policies": "redact/pii"}, ("default_policies",), "must be a list, such as [a, b]"),
        ({"default_policies": [1]}, ("default_policies", 0), "must be text; put it in quotes"),
        ({"prices": {"m": {"input": 1}}}, ("prices", "m", "output"), "is missing"),
        (
            {"models": {"m": {"target": "openai/x", "drop_params": "perhaps"}}},
            ("models", "m", "drop_params"),
            "must be true or false",
        ),
        (
            {"models": {"m": {"target": "openai/x", "drop_params": []}}},
            ("models", "m", "drop_params"),
            "must be true or false",
        ),
        (
            {"models": {"m": {"target": "openai/x", "whole": "maybe"}}},
            ("models", "m", "whole"),
            "must be 'stream' or 'native'",
        ),
        ({"auth": {"keys": []}}, ("auth", "keys"), "must not be empty"),
        ({"auth": {"keys": [{"name": ""}]}}, ("auth", "keys", 0, "name"), "must not be empty"),
        (
            {"auth": {"keys": [{"name": "x" * 129}]}},
            ("auth", "keys", 0, "name"),
            "must have at most 128 characters",
        ),
        ({"auth": {"keys": [{"name": "a", "models": []}]}}, ("auth", "keys", 0, "models"), "must not be empty"),
    ],
)
def test_each_kind_of_error_is_told_in_plain_words_at_its_path(
    section: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    config, faults = validate(Config, {**GOOD, **section})
    assert config is None
    assert [(fault.path, fault.message, fault.at) for fault in faults] == [(path, message, "value")]


@pytest.mark.parametrize(
    ("section", "path", "message"),
    [
        ({"xyzzy": 1}, ("xyzzy",), "unknown key; known: 'server', 'auth'"),
        ({"sever": 1}, ("sever",), "unknown key; did you mean 'server'?"),
        ({"server": {"prot": 1}}, ("server", "prot"), "did you mean 'port'?"),
        ({"auth": {"keys": [{"name": "a", "modles": []}]}}, ("auth", "keys", 0, "modles"), "did you mean 'models'?"),
        ({"models": {"m": {"target": "openai/x", "plicies": []}}}, ("models", "m", "plicies"), "mean 'policies'?"),
    ],
)
def test_an_unknown_key_is_told_with_the_keys_that_could_be_meant(
    section: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    _, faults = validate(Config, {**GOOD, **section})
    (fault,) = faults
    assert (fault.path, fault.at) == (path, "key")
    assert message in fault.message


class Word(Strict):
    words: tuple[str, ...] = ()


class Nested(Strict):
    rules: Optional[list[Word]] = None  # noqa: UP045 - the old spelling of a union must work too
    mode: Literal["a", "b"] | Word = "a"


def test_known_keys_are_found_through_unions_and_containers() -> None:
    _, faults = validate(Nested, {"rules": [{"word": []}]}, at=("policies", "x"))
    assert faults[0].path == ("policies", "x", "rules", 0, "word")
    assert faults[0].message == "unknown key; did you mean 'words'?"


class Careless(BaseModel):
    secret: str = Field(pattern="^x$")


def test_no_message_holds_the_value() -> None:
    _, faults = validate(Careless, {"secret": "hunter2"})
    assert "hunter2" not in faults[0].message
