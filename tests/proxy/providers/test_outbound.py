"""Headers of every request to a provider."""

import pytest

from policies.work import OverBudget
from proxy.errors import GatewayError
from proxy.providers.outbound import MAX_ADDED_BYTES, client_headers, encoded, endpoint, headers, key, streams
from tests.proxy.providers.calls import KEY, call


def test_client_headers_are_lowered_and_stripped_of_what_is_not_theirs() -> None:
    given = {"X-Trace": "1", "Host": "evil", "X-Goog-Api-Key": "k", "Transfer-Encoding": "chunked", "Accept": "x"}
    assert client_headers(call("openai", headers=given)) == {"x-trace": "1"}


def test_ours_win() -> None:
    assert headers(call("openai", headers={"x-a": "theirs"}), x_a="ours")["x-a"] == "ours"


def test_the_address_is_joined_with_one_slash() -> None:
    assert endpoint(call("openai", provider={"base_url": "http://x/v1/"}), "/y") == "http://x/v1/y"
    with pytest.raises(GatewayError, match="base_url"):
        endpoint(call("litellm"), "/y")


def test_streams_but_for_native_whole_answers() -> None:
    native = {"whole": "native"}
    assert [streams(call("openai", stream=s, settings=w)) for s in (True, False) for w in ({}, native)] == [
        True,
        True,
        True,
        False,
    ]


def test_key() -> None:
    assert key(call("openai")) == KEY
    assert key(call("openai", provider={"api_key": None})) is None


def test_a_body_that_a_mapping_made_far_larger_is_refused_before_it_is_encoded() -> None:
    text = "x" * 2**20
    many = {"parts": [text] * (MAX_ADDED_BYTES // len(text))}
    with pytest.raises(OverBudget):
        encoded({**many, "more": text}, call("gemini"))
    assert len(encoded({**many, "more": text}, call("gemini", size=2**20))) > MAX_ADDED_BYTES
