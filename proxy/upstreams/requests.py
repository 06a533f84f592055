"""From a call to the HTTP request that its provider understands. Pure: no socket is opened, whatever the call holds."""

from proxy.upstreams.anthropic import anthropic_request
from proxy.upstreams.base import Call
from proxy.upstreams.boundary import mapping
from proxy.upstreams.gemini import gemini_request
from proxy.upstreams.openai import openai_request
from proxy.upstreams.outbound import HttpRequest

__all__ = ["HttpRequest", "prepare"]


def prepare(call: Call) -> HttpRequest:
    """The request in the wire format of the call's provider. Raises `InvalidRequest` when it cannot be said there."""
    with mapping(call):
        match call.provider.api or call.provider_name:
            case "anthropic":
                return anthropic_request(call)
            case "gemini":
                return gemini_request(call)
            case _:
                return openai_request(call)
