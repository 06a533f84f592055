"""Checks of single values."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from proxy.config.fields import BaseUrl, ClientKey, Digest, Host, Origin, ProviderKey, Seconds, is_loopback


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (BaseUrl, "https://api.openai.com/v1", "https://api.openai.com/v1"),
        (BaseUrl, "http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1"),
        (BaseUrl, "http://[::1]:8000", "http://[::1]:8000"),
        (Origin, "https://App.example.com:8443", "https://app.example.com:8443"),
        (Origin, "tauri://localhost", "tauri://localhost"),
        (Origin, "*", "*"),
        (Host, "::1", "::1"),
        (Host, "gateway.internal", "gateway.internal"),
        (Digest, "AB" * 32, "ab" * 32),
        (Seconds, "2.5", 2.5),
        (BaseUrl, "http://h", "http://h"),
    ],
)
def test_a_good_value_is_taken_and_brought_to_one_form(kind: Any, value: str, expected: object) -> None:
    assert TypeAdapter(kind).validate_python(value) == expected


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (BaseUrl, "api.openai.com/v1", "must be a URL such as"),
        (BaseUrl, "ftp://host/v1", "must be a URL such as"),
        (BaseUrl, "https://", "must be a URL such as"),
        (BaseUrl, "https://host:0/v1", "must be a URL such as"),
        (BaseUrl, "https://host:99999/v1", "is not a URL"),
        (BaseUrl, "https://[::1/v1", "is not a URL"),
        (BaseUrl, "https://host/v 1", "a character that a URL cannot have"),
        (BaseUrl, "https://host/v1\n", "a character that a URL cannot have"),
        (BaseUrl, "https://host\\@evil/v1", "a character that a URL cannot have"),
        (BaseUrl, "https://user:pass@host/v1", "put the key in `api_key`"),
        (BaseUrl, "https://host/v1?key=1", "must not have a query"),
        (BaseUrl, "https://host/v1?", "must not have a query"),
        (BaseUrl, "https://host/v1#x", "must not have a query"),
        (BaseUrl, "https://host/a/../v1", "'..' segment"),
        (BaseUrl, "https://host/v1/chat/completions", "must end before /chat/completions"),
        (BaseUrl, "https://host/v1/messages/", "must end before /messages"),
        (Origin, "https://app.example.com/", "must be an origin"),
        (Origin, "app.example.com", "must be an origin"),
        (Origin, "https://*.example.com", "must be an origin"),
        (Origin, "null", "must be an origin"),
        (Host, "127.0.0.1/8", "must be an address"),
        (Host, "", "must be an address"),
        (Host, "http://127.0.0.1", "must be an address"),
        (ProviderKey, "", "is empty"),
        (ProviderKey, "sk-1 2", "holds a space"),
        (ProviderKey, "sk-secret\n", "holds a space, a line break"),
        (ProviderKey, "sk-sécret", "beyond ASCII"),
        (ProviderKey, "$OPENAI_API_KEY", "write ${NAME}, with braces"),
        (ProviderKey, '"sk-secret"', "begins with a quotation mark"),
        (ClientKey, "short", "is shorter than 8"),
        (Digest, "ab", "must be 64 hexadecimal digits"),
        (Seconds, True, "must be a number, not true or false"),
        (Seconds, 0, "greater than 0"),
        (Seconds, float("inf"), "less than or equal to 86400"),
        (Seconds, float("nan"), "greater than 0"),
    ],
)
def test_a_bad_value_is_refused_without_showing_it(kind: Any, value: object, reason: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(kind, config={"hide_input_in_errors": True}).validate_python(value)
    message = refusal.value.errors(include_input=False, include_url=False)[0]["msg"]
    assert reason in message
    assert "secret" not in message and "pass@" not in message


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433", False),
        ("0177.0.0.1", False),
        ("", False),
    ],
)
def test_only_names_of_this_machine_are_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
