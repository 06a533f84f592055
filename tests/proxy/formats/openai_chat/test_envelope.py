"""Errors as OpenAI's SDKs expect them."""

import json

import httpx
import openai
import pytest

from proxy.errors import (
    Forbidden,
    GatewayError,
    InvalidRequest,
    NotFound,
    PolicyFailed,
    Unauthorized,
    UpstreamError,
    UpstreamTimeout,
)
from proxy.formats.openai_chat.envelope import envelope, error_headers


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            InvalidRequest("m", param="n", code="invalid_type"),
            {"message": "m", "type": "invalid_request_error", "param": "n", "code": "invalid_type"},
        ),
        (
            Unauthorized("m"),
            {"message": "m", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"},
        ),
        (GatewayError("m"), {"message": "m", "type": "server_error", "param": None, "code": None}),
        (
            UpstreamTimeout("m", provider_status=None),
            {"message": "m", "type": "server_error", "param": None, "code": "upstream_timeout"},
        ),
    ],
)
def test_every_member_is_there(error: GatewayError, expected: dict[str, object]) -> None:
    assert envelope(error) == {"error": expected}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("m"), openai.BadRequestError),
        (Unauthorized("m"), openai.AuthenticationError),
        (Forbidden("m"), openai.PermissionDeniedError),
        (NotFound("m", code="model_not_found"), openai.NotFoundError),
        (UpstreamError("m", status=429, retry_after=1), openai.RateLimitError),
        (UpstreamError("m"), openai.InternalServerError),
        (UpstreamTimeout("m"), openai.InternalServerError),
        (PolicyFailed("m"), openai.InternalServerError),
    ],
)
def test_openais_sdk_raises_its_own_class(error: GatewayError, kind: type[openai.APIStatusError]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(error.status, content=json.dumps(envelope(error)), headers=error_headers(error))

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = openai.OpenAI(api_key="k", base_url="http://x/v1", http_client=http, max_retries=0)
    with client, pytest.raises(kind) as raised:
        client.models.list()
    assert raised.value.code == error.code
    assert raised.value.type == error.type


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, []),
        (1, [(b"retry-after", b"1")]),
        (0.2, [(b"retry-after", b"1")]),
        (2.01, [(b"retry-after", b"3")]),
        (0, [(b"retry-after", b"0")]),
        (-5, [(b"retry-after", b"0")]),
        (1e12, [(b"retry-after", b"86400")]),
        (float("nan"), []),
        (float("inf"), []),
    ],
)
def test_retry_after_is_whole_seconds_rounded_up(seconds: float | None, expected: list[tuple[bytes, bytes]]) -> None:
    assert error_headers(GatewayError("m", retry_after=seconds)) == expected


def test_a_client_is_told_not_to_retry_when_the_gateway_has() -> None:
    assert error_headers(UpstreamError("m"), no_retry=True) == [(b"x-should-retry", b"false")]
    assert error_headers(UpstreamError("m")) == []


def test_a_401_names_its_scheme() -> None:
    assert error_headers(Unauthorized("m")) == [(b"www-authenticate", b"Bearer")]
