"""A provider's refusal as the client's error."""

import email.utils
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamError
from proxy.providers.failures import failure
from tests.proxy.providers.calls import KEY, call

CALL = call("openai", name="acme")


def made(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> UpstreamError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(CALL, status, headers or {}, raw)


@pytest.mark.parametrize(
    ("status", "mapped", "kind", "code"),
    [
        (400, 400, "invalid_request_error", "c"),
        (401, 502, "server_error", "provider_auth_error"),
        (402, 502, "server_error", "provider_account_error"),
        (403, 502, "server_error", "provider_auth_error"),
        (404, 404, "invalid_request_error", "model_not_found"),
        (405, 502, "server_error", "upstream_error"),
        (408, 408, "invalid_request_error", "c"),
        (409, 409, "invalid_request_error", "c"),
        (413, 413, "invalid_request_error", "c"),
        (422, 422, "invalid_request_error", "c"),
        (429, 429, "rate_limit_error", "c"),
        (500, 502, "server_error", "upstream_error"),
        (502, 502, "server_error", "upstream_error"),
        (503, 503, "server_error", "overloaded"),
        (504, 504, "server_error", "upstream_timeout"),
        (529, 503, "server_error", "overloaded"),
        (302, 502, "server_error", "upstream_redirect"),
        (204, 502, "server_error", "upstream_error"),
    ],
)
def test_statuses_keep_their_class(status: int, mapped: int, kind: str, code: str) -> None:
    error = made(status, {"error": {"message": "m", "type": "t", "code": "c"}})
    assert (error.status, error.type, error.code, error.provider_status) == (mapped, kind, code, status)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_names_it_and_not_where_it_leads(status: int) -> None:
    error = made(status, {"error": {"message": "m"}}, {"location": "https://evil.example/"})
    assert (error.status, error.code, error.provider_status) == (502, "upstream_redirect", status)
    assert "redirects" in error.message and "base_url" in error.message and "evil" not in error.message


@pytest.mark.parametrize("status", [401, 402, 403, 404, 500, 503, 529])
def test_the_operators_affairs_are_told_in_our_words(status: int) -> None:
    error = made(status, {"error": {"message": "Traceback: org Acme at 10.0.0.1 in /srv/app.py"}})
    assert "Traceback" not in error.message
    assert "'acme'" in error.message


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({"error": {"message": "m", "type": "t", "param": "messages", "code": "x_y"}}, "m", "messages", "x_y"),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}},
            "m",
            None,
            "invalid_request_error",
        ),
        ({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}, "m", None, "INVALID_ARGUMENT"),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], "m", None, "INVALID_ARGUMENT"),
        ({"error": "m"}, "m", None, "upstream_error"),
        ({"object": "error", "message": "m", "code": 400, "param": "n"}, "m", "n", "upstream_error"),
        ({"detail": "m"}, "m", None, "upstream_error"),
        ({"detail": [{"loc": ["body"], "msg": "m"}]}, "m", None, "upstream_error"),
        ({"detail": [{"loc": ["body", "n"], "msg": "m"}, {"msg": "k"}]}, "body.n: m; k", None, "upstream_error"),
        ({"object": "error", "message": {"detail": [{"msg": "m"}]}, "type": "t"}, "m", None, "t"),
        ({"errors": [{"message": "m"}]}, "m", None, "upstream_error"),
        ({"error": True, "message": "m"}, "m", None, "upstream_error"),
        ({"base_resp": {"status_code": 2013, "status_msg": "m"}}, "m", None, "upstream_error"),
        ({"error": {"message": "Provider returned error", "metadata": {"raw": "m"}}}, "m", None, "upstream_error"),
        (b"m", "m", None, "upstream_error"),
        (b'event: error\ndata: {"error": {"message": "m"}}\n\ndata: [DONE]\n\n', "m", None, "upstream_error"),
        (b': comment\n\ndata: {"error": "m"}', "m", None, "upstream_error"),
    ],
)
def test_every_servers_spelling_is_read(body: Any, message: str, param: str | None, code: str) -> None:
    error = made(400, body)
    assert (error.message, error.param, error.code) == (message, param, code)


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"[]", b"7", b'{"error": 7}', b'{"error": {"message": 7}}', b"\xff"]
)
def test_what_says_nothing_is_told_in_our_words(body: bytes) -> None:
    assert "'acme' refused the request (400)" in made(400, body).message


@pytest.mark.parametrize(
    "message",
    [
        "prompt is too long: 210000 tokens > 200000 maximum",
        "This model's maximum context length is 8192 tokens.",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Your input exceeds the context window of this model.",
    ],
)
def test_a_prompt_too_long_has_one_code_whoever_says_so(message: str) -> None:
    assert made(400, {"error": {"message": message}}).code == "context_length_exceeded"


def test_a_prompt_too_long_names_the_code_in_its_message_for_clients_that_look_there() -> None:
    error = made(500, {"error": {"message": "Context size has been exceeded. " + "x" * 600}})
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", "messages")
    assert error.message.startswith("Context size") and error.message.endswith("(context_length_exceeded)")
    assert len(error.message) <= 500


@pytest.mark.parametrize(
    ("status", "said", "given", "code"),
    [
        (403, "Your input was flagged by moderation", 403, "content_policy_violation"),
        (404, "No endpoints found that support tool use.", 404, "upstream_error"),
        (429, "You exceeded your current quota", 429, "rate_limit_exceeded"),
        (413, "too large: tokens per minute", 429, "rate_limit_exceeded"),
    ],
)
def test_a_reason_that_is_about_the_request_reaches_the_client(status: int, said: str, given: int, code: str) -> None:
    error = made(status, {"error": {"message": said}})
    assert (error.status, error.message, error.code, error.quoted) == (given, said, code, True)


def test_the_operator_gets_the_providers_reason_whatever_the_client_gets() -> None:
    error = made(401, {"error": {"message": f"bad key {KEY}", "code": "invalid_api_key"}})
    assert error.detail == "401 invalid_api_key bad key [redacted]"
    assert "bad key" not in error.message


def test_geminis_bad_key_is_the_operators_affair() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = made(400, {"error": {"code": 400, "message": "API key not valid.", "details": details}})
    assert (error.status, error.code) == (502, "provider_auth_error")


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "sk-proj-abc123def456ghi",
        "https://internal.example:8443/v1/x?y=z",
        "Bearer abcdef",
        "AIzaSyA1234567890abcdef",
        "api_key=abc",
        "org-Abc123Def456",
    ],
)
def test_keys_and_urls_never_get_through(secret: str) -> None:
    message = made(400, {"error": {"message": f"wrong: {secret} at\nhost"}}).message
    assert message == "wrong: [redacted] at host"


def test_secret_options_never_get_through() -> None:
    asked = call("litellm", name="azure", provider={"options": {"client_secret": "hush-hush-hush", "api_version": "v"}})
    error = failure(asked, 400, {}, b'{"error": {"message": "wrong hush-hush-hush v"}}')
    assert error.message == "wrong [redacted] v"


def test_ordinary_words_do() -> None:
    text = "Unknown parameter: 'user_location.approximate_city'. organizational-unit, task_id, pro-rata."
    assert made(400, {"error": {"message": text}}).message == text


def test_a_long_message_is_cut() -> None:
    message = made(400, {"error": {"message": "word " * 10_000}}).message
    assert len(message) == 500
    assert message.endswith("…")


def test_an_unknown_model_is_named_as_the_client_knows_it() -> None:
    error = made(404, {"error": {"message": "gpt-4o-mini not found"}})
    assert "'alias'" in error.message
    assert "gpt-4o-mini" not in error.message
    assert error.param == "model"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "999999"}, 3600),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({}, None),
    ],
)
def test_retry_after_is_kept_within_bounds(headers: dict[str, str], seconds: float | None) -> None:
    assert made(429, b"{}", headers).retry_after == seconds
    assert made(529, b"{}", headers).retry_after == seconds
    assert made(400, b"{}", headers).retry_after is None


def test_retry_after_as_a_date() -> None:
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 50 < (made(429, b"{}", {"retry-after": later}).retry_after or 0) <= 60
    assert made(429, b"{}", {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}).retry_after == 0


def test_geminis_delay_is_in_its_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    assert made(429, {"error": {"message": "quota", "details": details}}).retry_after == 34


@given(status=st.integers(100, 999), body=st.binary(max_size=200), header=st.text(max_size=20))
def test_nothing_that_a_provider_sends_breaks_it(status: int, body: bytes, header: str) -> None:
    error = made(status, body, {"retry-after": header})
    assert 400 <= error.status < 600
    assert error.message
    assert KEY not in error.message
