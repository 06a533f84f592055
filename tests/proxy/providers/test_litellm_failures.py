"""LiteLLM's exceptions as our errors. The engine's tests check that real errors are mapped correctly."""

from typing import Any

import pytest

from proxy.errors import GatewayError, InvalidRequest, UpstreamError
from proxy.providers.litellm_failures import unread, unsent
from tests.proxy.providers.calls import KEY, call


def raised(name: str, message: str = f"litellm.X: secret {KEY}", cause: Any = None, **members: Any) -> Exception:
    """An exception of a class called `name`, come from `cause`."""
    error: Exception = type(name, (Exception,), members)(message)
    error.__cause__ = cause
    return error


def quiet(error: GatewayError) -> GatewayError:
    """The error, once it is known that it repeats nothing."""
    assert "litellm" not in error.message.lower()
    assert KEY not in error.message
    return error


@pytest.mark.parametrize(
    "error",
    [
        raised("BadRequestError", status_code=400),
        raised("APIConnectionError", cause=KeyError("role"), status_code=500),
        raised("ImageFetchError", status_code=400),
        ValueError("a long secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_request_that_cannot_be_translated_is_the_clients(error: Exception) -> None:
    assert isinstance(quiet(unsent(call("openai"), error)), InvalidRequest)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("openai does not support parameters: ['seed', 'n'], for model=x.", "seed"),
        ("claude does not support temperature=0.5. Only", "temperature"),
        ("something else", None),
        (" " * 10_000_000 + "does not support seed=", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_parameter_that_is_lacking_is_named(message: str, param: str | None) -> None:
    error = quiet(unsent(call("openai"), raised("UnsupportedParamsError", message, status_code=400)))
    assert isinstance(error, InvalidRequest)
    assert error.param == param


def test_no_key_for_litellm_is_the_operators_affair() -> None:
    error = quiet(unsent(call("openai"), raised("AuthenticationError", status_code=401)))
    assert (error.status, error.code) == (502, "provider_auth_error")


def test_a_status_that_is_none_is_the_gateways_failure_to_call() -> None:
    error = unsent(call("openai"), raised("VLLMError", status_code=0))
    assert (error.status, "(0)" in error.message) == (502, False)


@pytest.mark.parametrize(
    ("status", "mapped"), [(400, 502), (500, 502), (429, 429), (529, 503), (401, 502), (None, 502), ("x", 502)]
)
def test_an_error_within_the_answer_is_the_providers(status: Any, mapped: int) -> None:
    inner = raised("AnthropicError", status_code=status)
    for error in (inner, raised("MidStreamFallbackError", status_code=503, original_exception=inner)):
        assert quiet(unread(call("openai"), error)).status == mapped


def test_an_answer_that_litellm_cannot_read_is_no_fault_of_the_clients() -> None:
    for cause in (KeyError("choices"), TypeError("no"), ValueError("not JSON")):
        error = unread(call("openai"), raised("MidStreamFallbackError", status_code=503, cause=cause))
        assert (type(error), error.status, error.code) == (UpstreamError, 502, "malformed_event")


def test_a_whole_answer_that_litellm_does_not_take_is_one_that_cannot_be_read() -> None:
    error = quiet(unread(call("openai"), raised("APIError", status_code=500), whole=True))
    assert (error.status, error.code) == (502, "malformed_event")
    assert unread(call("openai"), raised("APIError", status_code=529), whole=True).status == 503


def test_a_chain_that_bites_its_tail_ends() -> None:
    error = raised("A")
    error.__cause__ = raised("B", cause=error)
    assert unsent(call("openai"), error).status == unread(call("openai"), error).status == 502
