"""From a call to the HTTP request that its provider understands. Pure: no socket is opened, whatever the call holds."""

from proxy.providers.base import Call
from proxy.providers.mapping.boundary import mapped, mapping
from proxy.providers.mapping.workers import Workers
from proxy.providers.outbound import HttpRequest
from proxy.providers.registry import provider_format, wire

__all__ = ["HttpRequest", "prepare", "prepared"]


async def prepared(call: Call, workers: Workers) -> HttpRequest:
    """See `prepare`. A large request is mapped in a thread; one for an OpenAI-format server is hardly changed, and
    encoding it is one call that a thread would not interrupt either."""
    if provider_format(call).rules is None:
        return prepare(call)
    return await mapped(prepare, call, workers)


def prepare(call: Call) -> HttpRequest:
    """The request in the wire format of the call's provider. Raises `InvalidRequest` when it cannot be said there."""
    with mapping(call):
        return wire(call).request(call)
