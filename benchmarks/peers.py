"""Other gateways, set up for the same work as Sluice, each from its own virtual environment, on loopback.

A peer runs as its documentation says, with the best settings where there is a choice. Each such choice is documented
here.
"""

import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.environments import LITELLM, SHIELD, environment
from benchmarks.servers import Process, free_port, started

KEY = "sk-bench"
"""The key that clients of every peer send."""

Pattern = dict[str, str]
"""A pattern of LiteLLM's content filter, as in its configuration."""


def prebuilt(name: str) -> Pattern:
    """Make a pattern that the filter provides."""
    return {"pattern_type": "prebuilt", "pattern_name": name, "action": "MASK"}


def custom(name: str, pattern: str) -> Pattern:
    """Make a pattern of the operator."""
    return {"pattern_type": "regex", "name": name, "pattern": pattern, "action": "MASK"}


@contextlib.contextmanager
def litellm(upstream: str, patterns: Sequence[Pattern] = ()) -> Iterator[Process]:
    """Start LiteLLM's proxy with one worker. With `patterns`, its content filter masks them in every answer.

    The filter runs `post_call`, the mode in which it also masks streams. The price list is the bundled one, so that
    nothing is fetched. Raises Missing if it cannot be installed.
    """
    binary = environment(LITELLM) / "litellm"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "config.yaml")
        config.write_text(json.dumps(_litellm_config(upstream, patterns)))  # JSON is YAML
        command = [str(binary), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        environ = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_TELEMETRY": "False",
        }
        with started([*command, "--num_workers", "1"], port, "/health/liveliness", environ=environ, patience=90) as it:
            yield it


def _litellm_config(upstream: str, patterns: Sequence[Pattern]) -> dict[str, Any]:
    bases = {"openai": f"{upstream}/v1", "anthropic": upstream, "gemini": f"{upstream}/v1beta"}
    config: dict[str, Any] = {
        "model_list": [
            {
                "model_name": f"{provider}-*",
                "litellm_params": {"model": f"{provider}/*", "api_base": base, "api_key": "bench"},
            }
            for provider, base in bases.items()
        ],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    if patterns:
        params = {"guardrail": "litellm_content_filter", "mode": "post_call", "default_on": True, "patterns": patterns}
        config["guardrails"] = [{"guardrail_name": "filter", "litellm_params": params}]
    return config


@contextlib.contextmanager
def shield(upstream: str) -> Iterator[Process]:
    """Start LLM-Shield-Proxy with its redaction of answers, which is off by default.

    It serves only OpenAI's format. Raises Missing if it cannot be installed.
    """
    binary = environment(SHIELD) / "llm-shield-proxy"
    port = free_port()
    environ = {
        "UPSTREAM_BASE_URL": upstream,
        "UPSTREAM_API_KEY": "bench",
        "VALID_VIRTUAL_KEYS": KEY,
        "ENABLE_RESPONSE_PII_REDACTION": "true",
        "ENABLE_EXT_PROC": "false",
        "ANONYMOUS_USAGE_TRACKING": "false",
        "LOG_LEVEL": "ERROR",
    }
    command = [str(binary), "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    with started(command, port, "/health", environ=environ) as process:
        yield process
