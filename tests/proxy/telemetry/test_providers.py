"""A provider's name in telemetry, and the permission to see a trace's context."""

from typing import Any

import pytest

from proxy.telemetry.providers import described, may_see_context
from tests.proxy.providers.calls import call


@pytest.mark.parametrize(
    ("api", "provider", "model", "known", "asked"),
    [
        ("openai", "openai", "gpt-4o", "openai", "gpt-4o"),
        ("gemini", "gemini", "gemini-2.5-flash", "gcp.gemini", "gemini-2.5-flash"),
        ("anthropic", "my-proxy", "claude", "anthropic", "claude"),
        ("openai", "local", "meta/llama", "local", "meta/llama"),
        ("openai", "xai", "grok", "x_ai", "grok"),
        ("litellm", "az", "azure/my-deployment", "azure.ai.openai", "my-deployment"),
        ("litellm", "other", "somebody/m/x", "somebody", "m/x"),
    ],
)
def test_provider_and_model(api: str, provider: str, model: str, known: str, asked: str) -> None:
    assert described(api, provider, model) == (known, asked)


@pytest.mark.parametrize(
    ("provider", "may"),
    [
        ({}, False),
        ({"trace_context": True}, True),
        ({"base_url": "http://127.0.0.1:1/v1"}, True),
        ({"base_url": "http://[::1]:1/v1"}, True),
        ({"base_url": "http://10.1.2.3/v1"}, True),
        ({"base_url": "http://vllm:8000/v1"}, True),
        ({"base_url": "https://8.8.8.8/v1"}, False),
        ({"base_url": "https://vllm.example.com/v1"}, False),
        ({"base_url": "http://127.0.0.1:1/v1", "trace_context": False}, False),
        ({"base_url": None}, False),
    ],
)
def test_context_stays_at_home_unless_told_otherwise(provider: dict[str, Any], may: bool) -> None:
    assert may_see_context(call("openai", provider=provider)) is may
