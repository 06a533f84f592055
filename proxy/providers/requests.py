"""From a call to the HTTP request that its provider understands. Pure: no socket is opened, whatever the call holds."""

from proxy.providers.anthropic import anthropic_request
from proxy.providers.base import Call
from proxy.providers.gemini import gemini_request
from proxy.providers.mapping.boundary import mapped, mapping
from proxy.providers.mapping.workers import Workers
from proxy.providers.openai import openai_request
from proxy.providers.outbound import HttpRequest

__all__ = ["HttpRequest", "prepare", "prepared"]


async def prepared(call: Call, workers: Workers) -> HttpRequest:
    """See `prepare`. A large request is mapped in a thread; one for an OpenAI-format server is hardly changed, and
    encoding it is one call that a thread would not interrupt either."""
    if _format(call) not in ("anthropic", "gemini"):
        return prepare(call)
    return await mapped(prepare, call, workers)


def prepare(call: Call) -> HttpRequest:
    """The request in the wire format of the call's provider. Raises `InvalidRequest` when it cannot be said there."""
    with mapping(call):
        match _format(call):
            case "anthropic":
                return anthropic_request(call)
            case "gemini":
                return gemini_request(call)
            case _:
                return openai_request(call)


def _format(call: Call) -> str:
    return call.provider.api or call.provider_name
