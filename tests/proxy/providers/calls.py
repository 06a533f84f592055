"""Calls as the API layer makes them, for the tests of this folder."""

from typing import Any

from pydantic import SecretStr

from policies.work import Work
from proxy.config.models import Model, Provider, Timeouts
from proxy.formats.openai_chat.operation import CHAT
from proxy.providers.base import Call

KEY = "sk-secret-0123456789abcdef"
BASE_URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-flash"}
HELLO = [{"role": "user", "content": "hello"}]


def call(api: str, body: dict[str, Any] | None = None, **changes: Any) -> Call:
    """A call of `api` with `body` over a minimal one. `changes`: model, stream, headers, guarded, provider (a dict),
    settings (a dict), timeouts (a dict), work, size,
    large."""
    provider: dict[str, Any] = {"api": api, "api_key": SecretStr(KEY), "base_url": BASE_URLS.get(api)}
    return Call(
        id="chatcmpl-1",
        operation=CHAT,
        body={"model": "alias", "messages": HELLO, **(body or {})},
        model=changes.get("model", MODELS.get(api, "some-model")),
        provider_name=changes.get("name", api),
        provider=Provider(**{**provider, **changes.get("provider", {})}),
        settings=Model(**{"target": f"{api}/x", **changes.get("settings", {})}),
        timeouts=Timeouts(**changes.get("timeouts", {})),
        stream=changes.get("stream", True),
        guarded=changes.get("guarded", False),
        headers=changes.get("headers", {}),
        work=changes.get("work") or Work(),
        size=changes.get("size", 0),
        large=changes.get("large", False),
    )
