"""What LiteLLM raises, as our errors. (That real refusals come out right is tested with the engine.)"""

from typing import Any

import pytest

from proxy.errors import GatewayError, InvalidRequest, UpstreamError, UpstreamTimeout
from proxy.upstreams.litellm_failures import litellm_failure
from tests.proxy.upstreams.calls import KEY, call


class Response:
    """An HTTP response at the bottom of a chain."""

    def __init__(self, status: int, content: bytes | None, **headers: str) -> None:
        self.status_code = status
        self.headers = headers
        self._content = content

    @property
    def content(self) -> bytes:
        if self._content is None:
            raise RuntimeError("not read")
        return self._content


def raised(name: str, message: str = f"litellm.X: secret {KEY}", cause: Any = None, **members: Any) -> Exception:
    """An exception of a class called `name`, come from `cause`."""
    error: Exception = type(name, (Exception,), members)(message)
    error.__cause__ = cause
    return error


def mapped(error: Exception) -> GatewayError:
    failure = litellm_failure(call("openai"), error)
    assert "litellm" not in failure.message.lower()
    assert KEY not in failure.message
    return failure


def test_the_providers_response_counts_and_not_what_litellm_makes_of_it() -> None:
    body = b'{"error": {"message": "busy"}}'
    status = raised("HTTPStatusError", response=Response(529, body, **{"retry-after": "3"}))
    for made_up in (Response(500, b""), Response(500, b"", server="x")):
        error = mapped(raised("InternalServerError", cause=status, status_code=500, response=made_up))
        assert isinstance(error, UpstreamError)
        assert (error.status, error.provider_status, error.retry_after) == (503, 529, 3)


def test_a_response_that_was_well_is_no_refusal() -> None:
    error = mapped(raised("ReadError", response=Response(200, b"", server="x")))
    assert error.code == "upstream_died"


def test_a_body_that_was_not_read_is_taken_from_the_exception() -> None:
    said = {"message": "no", "code": "c", "param": "p"}
    error = mapped(raised("BadRequestError", body=said, response=Response(400, None, date="x")))
    assert (error.message, error.code, error.param) == ("no", "c", "p")


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("ConnectError", UpstreamError, "connect_error"),
        ("ServerDisconnectedError", UpstreamError, "upstream_died"),
        ("ClientConnectorCertificateError", UpstreamError, "tls_error"),
        ("ReadTimeout", UpstreamTimeout, "upstream_timeout"),
        ("Timeout", UpstreamTimeout, "upstream_timeout"),
    ],
)
def test_the_network_is_seen_by_the_names_in_the_chain(name: str, kind: type[UpstreamError], code: str) -> None:
    error = mapped(raised("InternalServerError", cause=raised("APIError", cause=raised(name)), status_code=500))
    assert type(error) is kind
    assert error.code == code
    assert error.provider_status is None


def test_a_request_that_cannot_be_translated_is_the_clients() -> None:
    for error in (
        raised("BadRequestError", status_code=400),
        raised("APIConnectionError", cause=KeyError("role"), status_code=500),
        raised("ImageFetchError", status_code=400),
    ):
        assert isinstance(mapped(error), InvalidRequest)


def test_an_error_within_the_answer_is_not_the_clients() -> None:
    for status, mapped_to in ((400, 502), (500, 502), (429, 429), (529, 503)):
        error = litellm_failure(call("openai"), raised("BadRequestError", status_code=status), begun=True)
        assert isinstance(error, UpstreamError)
        assert (error.status, KEY in error.message) == (mapped_to, False)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("openai does not support parameters: ['seed', 'n'], for model=x.", "seed"),
        ("claude does not support temperature=0.5. Only", "temperature"),
        ("something else", None),
    ],
)
def test_a_parameter_that_is_lacking_is_named(message: str, param: str | None) -> None:
    error = mapped(raised("UnsupportedParamsError", message, status_code=400))
    assert isinstance(error, InvalidRequest)
    assert error.param == param


def test_no_key_for_litellm_is_the_operators_affair() -> None:
    error = mapped(raised("AuthenticationError", status_code=401))
    assert (error.status, error.code) == (502, "provider_auth_error")


def test_a_chain_that_bites_its_tail_ends() -> None:
    error = raised("A")
    error.__cause__ = raised("B", cause=error)
    assert mapped(error).status == 502
