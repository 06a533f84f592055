"""Mapping is pure: it opens no socket, whatever a request contains, and rejects with 400 what it cannot map."""

import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import InvalidRequest
from proxy.providers import litellm
from proxy.providers.requests import HttpRequest, prepare
from tests.proxy.providers.calls import HELLO, call

URLS = [
    "http://127.0.0.1:9/a.png",
    "https://127.0.0.1:9/a.png",
    "https://127.0.0.1:9/no-extension",
    "httpx://127.0.0.1:9/a.png",
    "HTTPS://127.0.0.1:9/a.png",
    "gs://bucket/no-extension",
    "gs://bucket/a.png",
    "gs://bucket/https://127.0.0.1:9/a.png",
    "https://generativelanguage.googleapis.com/v1beta/files/a",
    "https://generativelanguage.googleapis.com/v1/files/a",
    "https://www.youtube.com/watch?v=x",
    "s3://bucket/a.png",
    "file:///etc/hostname",
    "ftp://127.0.0.1/a.png",
    "data:image/png;base64,iVBORw0KGgo=",
    "data:image/png;base64,http://127.0.0.1:9/a.png",
    "data:application/pdf;base64,JVBERi0=",
    "data:text/plain,http://127.0.0.1:9/a.png",
    "//127.0.0.1:9/a.png",
    "iVBORw0KGgo=",
    "",
]
CALLED = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"url": "http://127.0.0.1:9/"}'}}


def conversations(url: str) -> Iterator[list[dict[str, Any]]]:
    """Put `url` in every place of a conversation that may have one."""
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": url},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": url, "format": "image/png", "detail": "high"}},
        {"type": "input_image", "image_url": url},
        {"type": "image", "source": {"type": "url", "url": url}},
        {"type": "file", "file": {"file_data": url}},
        {"type": "file", "file": {"file_id": url}},
        {"type": "file", "file": {"file_id": url, "format": "application/pdf"}},
        {"type": "file", "file": {"file_data": url, "file_id": url}},
        {"type": "input_file", "file_data": url},
        {"type": "document", "source": {"type": "url", "url": url}},
        {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}},
        {"type": "video_url", "video_url": {"url": url}},
        {"type": "text", "text": url},
    ]
    for part in parts:
        yield [{"role": "user", "content": [part]}]
        yield [{"role": "system", "content": [part]}, *HELLO]
        yield [*HELLO, {"role": "assistant", "content": [part]}, *HELLO]
        result = {"role": "tool", "tool_call_id": "c1", "content": [part]}
        yield [*HELLO, {"role": "assistant", "content": None, "tool_calls": [CALLED]}, result]
    shown = {"role": "assistant", "content": "x", "images": [{"type": "image_url", "image_url": {"url": url}}]}
    yield [*HELLO, shown, *HELLO]


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record attempts to use sockets. All of them fail."""
    litellm.warm(["anthropic", "gemini"])
    tried: list[str] = []

    def refuse(*what: Any, **more: Any) -> NoReturn:
        tried.append(repr(what[-1]))
        raise OSError("no sockets here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def mapped(api: str, body: dict[str, Any], **changes: Any) -> HttpRequest | None:
    try:
        return prepare(call(api, body, **changes))
    except InvalidRequest as error:
        assert error.status == 400
        assert "litellm" not in error.message.lower()
        assert len(error.message) < 500
        return None


@pytest.mark.parametrize("api", ["anthropic", "gemini", "openai"])
@pytest.mark.parametrize("model", [None, "sim-chat", "invoke/x"])
def test_no_url_anywhere_in_a_conversation_opens_a_socket(api: str, model: str | None, no_sockets: list[str]) -> None:
    named = {"model": model} if model else {}
    for url in URLS:
        for messages in conversations(url):
            mapped(api, {"messages": messages}, **named)
    assert no_sockets == []


def test_tools_and_parameters_open_no_socket(no_sockets: list[str]) -> None:
    url = "http://127.0.0.1:9/"
    bodies: list[dict[str, Any]] = [
        {"tools": [{"type": "mcp", "server_url": url, "server_label": "x"}]},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": url}}}]},
        {"tools": [{"urlContext": {}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": url}}}},
        {"web_search_options": {"user_location": {"approximate": {"city": url}}}},
        {"mcp_servers": [{"type": "url", "url": url, "name": "x"}]},
        {"api_base": url, "base_url": url, "mock_response": "x"},
    ]
    for body in bodies:
        for api in ("anthropic", "gemini"):
            mapped(api, body)
            mapped(api, body, settings={"drop_params": True})
    assert no_sockets == []


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=8), st.sampled_from(URLS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["type", "text", "url", "name", "role"]), inner)
    ),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool", "developer", "function"]), "content": JSON},
        optional={
            "tool_calls": JSON,
            "tool_call_id": JSON,
            "name": JSON,
            "thinking_blocks": JSON,
            "provider_specific_fields": JSON,
            "cache_control": JSON,
            "function_call": JSON,
            "images": JSON,
        },
    ),
    max_size=4,
)
BODY = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        name: JSON
        for name in (
            *("tools", "tool_choice", "response_format", "stop", "max_tokens", "temperature", "n", "reasoning_effort"),
            *("thinking", "user", "parallel_tool_calls", "web_search_options", "modalities", "top_k", "cache_control"),
        )
    },
)


@pytest.mark.parametrize("api", ["anthropic", "gemini"])
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODY)
def test_any_json_is_mapped_or_refused(api: str, no_sockets: list[str], body: dict[str, Any]) -> None:
    mapped(api, body)
    assert no_sockets == []


@pytest.mark.parametrize(
    ("api", "path"),
    [("anthropic", "/v1/messages"), ("gemini", ":streamGenerateContent?alt=sse"), ("openai", "/chat/completions")],
)
def test_the_providers_format_is_used(api: str, path: str) -> None:
    assert prepare(call(api)).url.endswith(path)
