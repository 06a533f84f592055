"""Clients for a running gateway, and helpers to read their answers."""

import json
from typing import Any

import httpx
from openai import AsyncOpenAI, OpenAI

CHAT = "/v1/chat/completions"
CLIENT_KEY = "client-key-0123456789"


def plain(url: str, **settings: Any) -> httpx.AsyncClient:
    """Make an HTTP client without certificates, whose loading would be most of a test's time."""
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=5, **settings)


def sdk(url: str, key: str = CLIENT_KEY) -> AsyncOpenAI:
    """OpenAI's client, which shows every failure: it tries once."""
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=plain(""))


def blocking_sdk(url: str, key: str = CLIENT_KEY) -> OpenAI:
    """The same, for a thread of its own."""
    plain_client = httpx.Client(trust_env=False, verify=False, timeout=5)
    return OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=plain_client)


def ask(model: str, text: str = "Hi", **more: Any) -> dict[str, Any]:
    """The body of a request with one message."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def data_of(stream: str) -> list[str]:
    """Return the data of each event of a stream, which must contain nothing else but comments."""
    events = [event for event in stream.split("\n\n") if event and not event.startswith(":")]
    assert all(event.startswith("data: ") and "\n" not in event for event in events), stream
    return [event.removeprefix("data: ") for event in events]


def chunks_of(stream: str) -> list[dict[str, Any]]:
    """The chunks of a stream that must have ended well."""
    *data, end = data_of(stream)
    assert end == "[DONE]", stream
    return [json.loads(each) for each in data]


def failure_of(stream: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the chunks and the error of a stream that must have failed after its first event."""
    chunks = [json.loads(each) for each in data_of(stream)]
    assert set(chunks[-1]) == {"error"}, stream
    return chunks[:-1], chunks[-1]["error"]


def text_of(chunks: list[dict[str, Any]], choice: int = 0, member: str = "content") -> str:
    """One text channel of one choice, joined."""
    choices = [entry for chunk in chunks for entry in chunk["choices"] if entry["index"] == choice]
    return "".join(entry["delta"].get(member) or "" for entry in choices)
