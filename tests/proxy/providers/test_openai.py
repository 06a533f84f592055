"""OpenAI-format servers get the client's own JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.providers.openai import openai_request
from tests.proxy.providers.calls import HELLO, KEY, call


def sent(body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(openai_request(call("openai", body, **changes)).body)
    return result


def test_only_model_and_stream_members_change() -> None:
    own = {"verbosity": "low", "metadata": {"a": "b"}, "unknown": [1, {"x": None}], "temperature": 0, "n": 3}
    expected = {**own, "messages": HELLO, "model": "gpt-4o-mini", "stream": True}
    assert sent(own) == {**expected, "stream_options": {"include_usage": True}}


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.none(), st.booleans(), st.integers(), st.text())))
def test_unknown_members_survive(own: dict[str, Any]) -> None:
    own = {name: v for name, v in own.items() if name not in ("model", "messages", "stream", "stream_options")}
    assert sent(own).items() >= own.items()


def test_what_orjson_refuses_is_sent_all_the_same() -> None:
    request = openai_request(call("openai", {"seed": 2**70, "messages": [{"role": "user", "content": "\ud83d"}]}))
    assert b'"seed":1180591620717411303424' in request.body
    assert rb'"\ud83d"' in request.body


def test_the_clients_stream_options_are_kept_and_usage_added() -> None:
    options = {"include_usage": False, "include_obfuscation": False}
    assert sent({"stream_options": options})["stream_options"] == {**options, "include_usage": True}


@pytest.mark.parametrize("options", [None, {"include_usage": True}])
def test_no_stream_options_for_servers_that_refuse_them(options: Any) -> None:
    assert "stream_options" not in sent({"stream_options": options}, provider={"include_usage": False})


def test_a_whole_request_is_streamed_unless_configured_native() -> None:
    assert sent(stream=False)["stream"] is True
    native = openai_request(
        call("openai", {"stream_options": {"include_usage": True}}, stream=False, settings={"whole": "native"})
    )
    assert not native.stream
    assert json.loads(native.body)["stream"] is False
    assert "stream_options" not in json.loads(native.body)
    assert native.headers["accept"] == "application/json"


def test_a_streamed_request_streams_whatever_whole_says() -> None:
    assert sent(settings={"whole": "native"})["stream"] is True


def test_url_and_headers() -> None:
    request = openai_request(call("openai", provider={"base_url": "http://127.0.0.1:11434/v1/"}))
    assert request.url == "http://127.0.0.1:11434/v1/chat/completions"
    assert request.headers == {
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }


def test_no_authorization_without_a_key() -> None:
    assert "authorization" not in openai_request(call("openai", provider={"api_key": None})).headers


def test_client_headers_go_up_but_never_credentials_or_framing() -> None:
    headers = {"OpenAI-Organization": "org-x", "Authorization": "Bearer client", "Cookie": "c", "Content-Length": "1"}
    up = openai_request(call("openai", headers=headers)).headers
    assert up["openai-organization"] == "org-x"
    assert up["authorization"] == f"Bearer {KEY}"
    assert not {"cookie", "content-length"} & up.keys()


def test_the_key_shows_in_no_repr() -> None:
    request = openai_request(call("openai"))
    assert KEY not in repr(request)


def test_the_signature_in_a_calls_id_is_geminis_alone() -> None:
    call_of = {"id": "call_1__thought__c2ln", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [call_of, {"id": "b"}, 7]},
        {"role": "tool", "tool_call_id": "call_1__thought__c2ln", "content": "1"},
        {"role": "user", "content": "__thought__"},
    ]
    up = json.loads(openai_request(call("openai", {"messages": messages})).body)["messages"]
    assert [each["id"] for each in up[0]["tool_calls"][:2]] == ["call_1", "b"]
    assert (up[1]["tool_call_id"], up[2]) == ("call_1", messages[2])
