"""Names, parameters and behaviour of LiteLLM that Sluice relies on.

A new version that breaks one of these fails here, not for a user.
"""

import asyncio
import importlib
import importlib.metadata
import inspect
import logging
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from proxy.errors import InvalidRequest
from proxy.providers import clients, gemini, litellm
from proxy.providers.mapping.arguments import CHAT_PARAMETERS, OPENAI_PARAMETERS

TRANSFORMATION = "litellm.llms.vertex_ai.gemini.transformation"
HELLO = [{"role": "user", "content": "hello"}]
MAP = ("non_default_params", "optional_params", "model", "drop_params")

CALLED_WITH = ("model", "messages", "stream", "stream_options", "timeout", "api_key", "extra_headers")

USED: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "AnthropicConfig.map_openai_params": (lambda m: m.AnthropicConfig.map_openai_params, MAP),
    "AnthropicConfig.get_supported_openai_params": (
        lambda m: m.AnthropicConfig.get_supported_openai_params,
        ("model",),
    ),
    "AnthropicConfig.validate_environment": (
        lambda m: m.AnthropicConfig.validate_environment,
        ("headers", "model", "messages", "optional_params", "litellm_params", "api_key"),
    ),
    "AnthropicConfig.transform_request": (
        lambda m: m.AnthropicConfig.transform_request,
        ("model", "messages", "optional_params", "litellm_params", "headers"),
    ),
    "GoogleAIStudioGeminiConfig.map_openai_params": (lambda m: m.GoogleAIStudioGeminiConfig.map_openai_params, MAP),
    "GoogleAIStudioGeminiConfig.get_supported_openai_params": (
        lambda m: m.GoogleAIStudioGeminiConfig.get_supported_openai_params,
        ("model",),
    ),
    "transform_request_body": (
        lambda m: importlib.import_module(TRANSFORMATION).transform_request_body,
        ("messages", "model", "optional_params", "custom_llm_provider", "litellm_params", "cached_content"),
    ),
    "acompletion": (
        lambda m: inspect.unwrap(m.acompletion),
        (*sorted((CHAT_PARAMETERS | OPENAI_PARAMETERS) - {"top_k"}), *CALLED_WITH),
    ),
    "embedding": (
        lambda m: inspect.unwrap(m.embedding),
        ("model", "input", "dimensions", "user", "encoding_format", "timeout", "api_base", "api_key"),
    ),
    "aembedding": (lambda m: inspect.unwrap(m.aembedding), ("kwargs",)),
}


def test_the_version_is_the_pinned_one() -> None:
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    assert f"litellm=={importlib.metadata.version('litellm')}" in project["dependencies"]


@pytest.mark.parametrize("name", USED)
def test_a_function_that_we_use_takes_what_we_give_it(name: str) -> None:
    get, parameters = USED[name]
    known = inspect.signature(get(litellm.load())).parameters
    assert not [p for p in parameters if p not in known]


def test_values_that_we_use() -> None:
    module = litellm.load()
    constants = importlib.import_module("litellm.constants")
    assert litellm.JSON_TOOL == constants.RESPONSE_FORMAT_TOOL_NAME
    assert constants.MAX_IMAGE_URL_DOWNLOAD_SIZE_MB == 0
    assert constants.REPEATED_STREAMING_CHUNK_LIMIT > 1_000_000
    assert isinstance(module.model_cost, dict)
    for model in ("gemini-9-ultra", "gemini-2.5-something-new", "sim-chat"):
        assert litellm.knows("gemini", gemini._stand_in(model))


def test_settings_after_the_import() -> None:
    module = litellm.load()
    assert module is litellm.load()
    assert module.drop_params is False
    assert module.modify_params is False
    assert module.suppress_debug_info is True
    assert module.cache is None
    # A module of LiteLLM's enters its cache as a callback when it is imported; without a cache it does nothing.
    assert {*module.callbacks, *module.success_callback, *module._async_success_callback} <= {"cache"}
    assert module.failure_callback == []
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)


def test_every_client_of_litellms_goes_through_the_gateway() -> None:
    module = litellm.load()
    http: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    sdk: Any = importlib.import_module("litellm.llms.openai.common_utils").BaseOpenAILLM
    for client in (
        http.AsyncHTTPHandler().client,
        http.AsyncHTTPHandler(timeout=1, ssl_verify=False, concurrent_limit=1).client,
        http.get_async_httpx_client(module.LlmProviders.GROQ, params={"timeout": 7}).client,
        module.module_level_aclient.client,
        sdk._get_async_http_client(),
    ):
        assert type(client._transport) is clients.Transport and not client.follow_redirects
    for client in (http.HTTPHandler().client, module.module_level_client.client, sdk._get_sync_http_client()):
        assert type(client._transport) is clients.BlockingTransport and not client.follow_redirects


def test_no_call_goes_to_litellms_native_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has connections of its own."""
    litellm.load()
    catalog: Any = importlib.import_module("litellm.rust_bridge.catalog")
    configuration: Any = importlib.import_module("litellm.rust_bridge.configuration")
    assert not configuration.rust_enabled()
    context = catalog.RouteContext(catalog.Route.CHAT_COMPLETIONS)
    assert catalog.decision(context) is configuration.Decision.PYTHON


def test_litellm_does_nothing_at_the_end_of_a_call() -> None:
    logging_class: Any = importlib.import_module("litellm.litellm_core_utils.litellm_logging").Logging
    litellm.load()
    ends = {
        name for name in dir(logging_class) if re.fullmatch(r"(async_|dispatch_\w*)?(success|failure)_handlers?", name)
    }
    assert ends <= litellm._AWAITED | litellm._CALLED
    called = [getattr(logging_class, name)(object(), "anything", more=1) for name in sorted(ends)]
    for end in filter(inspect.iscoroutine, called):
        end.close()
    assert {inspect.iscoroutine(end) for end in called} == {True, False}


def test_a_body_needs_no_change_by_the_openai_sdk() -> None:
    sdk: Any = importlib.import_module("openai._utils")
    types: Any = importlib.import_module("openai.types.chat.completion_create_params")
    text, image = {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}
    schema = {"type": "object", "properties": {"p": {"type": "string", "format": "date"}}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": [text, image]}, {"role": "assistant", "tool_calls": [call]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
        "logit_bias": {"1": 2},
        "seed": importlib.import_module("openai").omit,
    }
    ours = asyncio.run(litellm._as_it_is(body, None))
    assert ours == asyncio.run(sdk.async_maybe_transform(body, types.CompletionCreateParamsStreaming))


def test_names_that_the_body_carries() -> None:
    typed = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    asked = litellm.Asked("unknown-claude", [dict(HELLO[0])], {"response_format": typed})
    body = litellm.map_anthropic(asked, {}, "k").body
    assert body["json_mode"] is True
    assert body["tools"][0]["name"] == litellm.JSON_TOOL
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history: list[dict[str, Any]] = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}]
    history.append({"role": "tool", "tool_call_id": "a", "content": "x"})
    body = litellm.map_anthropic(litellm.Asked("claude-sonnet-4-5", history, {}), {}, "k").body
    assert [tool["name"] for tool in body["tools"]] == [litellm.DUMMY_TOOL]


def test_an_anthropic_token_of_a_login_is_a_bearer() -> None:
    headers = litellm.map_anthropic(litellm.Asked("m", list(HELLO), {}), {}, "sk-ant-oat01-x").headers
    assert headers["authorization"] == "Bearer sk-ant-oat01-x"
    assert "x-api-key" not in headers


def test_messages_beyond_repair_are_a_400_in_our_words() -> None:
    for messages in ([{"role": "alien", "content": "secret words"}], [{"content": "secret words"}], ["secret words"]):
        with pytest.raises(InvalidRequest) as refused:
            litellm.map_anthropic(litellm.Asked("m", messages, {}), {}, "k")  # type: ignore[arg-type]
        assert "secret words" not in refused.value.message
        with pytest.raises(InvalidRequest) as refused:
            litellm.map_gemini(litellm.Asked("m", messages, {}))  # type: ignore[arg-type]
        assert "secret words" not in refused.value.message


def test_the_parameter_that_does_not_map_is_found() -> None:
    parameters = {"temperature": 0.5, "max_tokens": 5, "stop": [1], "top_p": 0.9}
    with pytest.raises(InvalidRequest) as refused:
        litellm.map_anthropic(litellm.Asked("m", list(HELLO), parameters), {}, "k")
    assert refused.value.param == "stop"


def test_providers() -> None:
    assert litellm.is_provider("azure")
    assert litellm.is_provider("bedrock")
    assert not litellm.is_provider("acme")


def test_nothing_is_imported_for_openai_alone() -> None:
    script = "import sys; from proxy.providers import engine, litellm, requests; litellm.warm(['openai']); "
    done = run(script + "print('litellm' in sys.modules)")
    assert done.stdout == "False\n"


def test_it_is_silent_whatever_happens() -> None:
    done = run(
        """
        import asyncio
        from proxy.providers import litellm
        from proxy.providers.engine import LiteLLMEngine
        from proxy.providers.sending import Sender
        from tests.proxy.providers.calls import call

        async def main():
            sender = Sender()
            engine = LiteLLMEngine(sender)
            body = {"messages": [{"role": "user", "content": "secret words"}]}
            for provider in ("openai", "anthropic", "gemini", "no-such"):
                try: await engine.open(call(provider, body, provider={"base_url": "http://127.0.0.1:1"}))
                except Exception: pass
            try: litellm.map_gemini(litellm.Asked("m", [{"role": "alien"}], {"temperature": 0.1}))
            except Exception: pass
            await engine.aclose()
            await sender.aclose()

        litellm.warm(["anthropic", "gemini", "litellm"])
        asyncio.run(main())
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in an interpreter of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    environment = {**os.environ, "LITELLM_LOG": "DEBUG"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
