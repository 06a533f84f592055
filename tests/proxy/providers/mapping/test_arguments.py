"""`litellm.acompletion` is called with named, documented parameters only."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.providers import LITELLM_OPTIONS
from proxy.errors import GatewayError, InvalidRequest, UpstreamError
from proxy.providers.mapping.arguments import CHAT_PARAMETERS, OPENAI_PARAMETERS, arguments
from tests.proxy.providers.calls import HELLO, KEY, call

OURS = {"model", "messages", "stream", "stream_options", "timeout", "num_retries", "max_retries", "drop_params"}
WHERE = {"custom_llm_provider", "api_base", "api_key"}


def azure(**changes: Any) -> dict[str, Any]:
    options = {"api_base": "https://x.openai.azure.com", "api_version": "2025-01-01", **changes}
    return arguments(call("litellm", name="azure", model="deployment", provider={"options": options}))


def test_the_least_call() -> None:
    named = arguments(call("openai"))
    assert named == {
        "model": "gpt-4o-mini",
        "messages": HELLO,
        "custom_llm_provider": "openai",
        "api_base": "https://api.openai.com/v1",
        "api_key": KEY,
        "stream": True,
        "stream_options": {"include_usage": True},
        "timeout": 600,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": False,
    }


@pytest.mark.parametrize(("several", "stream"), [({}, True), ({"n": 1}, True), ({"n": 2}, False)])
def test_several_choices_are_asked_for_whole(several: dict[str, int], stream: bool) -> None:
    named = arguments(call("openai", several))
    assert (named["stream"], "stream_options" in named) == (stream, stream)


def test_addresses_as_litellm_wants_them() -> None:
    assert arguments(call("anthropic"))["api_base"] == "https://api.anthropic.com"
    assert arguments(call("gemini"))["api_base"] == "https://generativelanguage.googleapis.com/v1beta"


def test_a_key_and_address_are_given_even_where_there_is_none() -> None:
    assert arguments(call("openai", provider={"api_key": None}))["api_key"] == "none"


def test_another_provider_has_its_options_and_perhaps_no_key() -> None:
    named = azure()
    assert named["custom_llm_provider"] == "azure"
    assert named["model"] == "deployment"
    assert named["api_version"] == "2025-01-01"
    assert azure(custom_llm_provider="azure_ai")["custom_llm_provider"] == "azure_ai"
    bedrock = arguments(
        call("litellm", name="bedrock", provider={"api_key": None, "options": {"aws_region_name": "eu"}})
    )
    assert "api_key" not in bedrock
    assert "api_base" not in bedrock


def test_unknown_options_and_providers_are_refused() -> None:
    with pytest.raises(GatewayError, match="mock_response"):
        azure(mock_response="x")
    with pytest.raises(UpstreamError, match="acme"):
        arguments(call("litellm", name="acme"))


def test_no_option_steers_the_call_itself() -> None:
    steering = {"mock_response", "fallbacks", "model_list", "callbacks", "extra_body", "headers", "client", "metadata"}
    assert not LITELLM_OPTIONS & (steering | OURS)
    assert not (CHAT_PARAMETERS | OPENAI_PARAMETERS) & (steering | OURS | WHERE | LITELLM_OPTIONS)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.integers(2, 9)), st.booleans())
def test_no_other_member_of_a_body_gets_in(extra: dict[str, Any], drop: bool) -> None:
    body = {**extra, "messages": HELLO, "model": "m", "api_base": "http://evil"}
    asked = call("openai", body, settings={"drop_params": drop})
    try:
        named = arguments(asked)
    except InvalidRequest:
        assert not drop
        return
    assert named.keys() <= OURS | WHERE | CHAT_PARAMETERS | OPENAI_PARAMETERS
    assert named["api_base"] == "https://api.openai.com/v1"


def test_openais_bookkeeping_goes_to_openai_alone() -> None:
    body = {"store": True, "prompt_cache_key": "k", "metadata": {"a": "b"}}
    assert arguments(call("openai", body)).items() >= {"store": True, "prompt_cache_key": "k"}.items()
    assert not arguments(call("anthropic", body)).keys() & body.keys()
    assert "metadata" not in arguments(call("openai", body))


def test_a_whole_native_call_and_one_without_usage() -> None:
    whole = arguments(call("openai", stream=False, settings={"whole": "native"}))
    assert whole["stream"] is False
    assert "stream_options" not in whole
    assert "stream_options" not in arguments(call("openai", provider={"include_usage": False}))


def test_headers_that_go_up() -> None:
    named = arguments(call("openai", headers={"traceparent": "00-x", "Authorization": "Bearer client"}))
    assert named["extra_headers"] == {"traceparent": "00-x"}


def test_messages_are_copies() -> None:
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
    arguments(call("openai", body))["messages"][0]["content"].append("x")
    assert len(body["messages"][0]["content"]) == 1
    for api in ("openai", "gemini"):
        with pytest.raises(InvalidRequest):
            arguments(call(api, {"messages": ["x"]}))
