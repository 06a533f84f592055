"""The request for OpenAI-format servers: the client's own JSON.

Rule: only `model`, `stream` and `stream_options` are changed, and the ids of calls that a Gemini answer signed.
Everything else goes as it came, known or not: the server is the judge of its own parameters. Usage is always asked for,
unless the provider's `include_usage` is false.
"""

from typing import Any

from proxy.formats.jsontext import dumps
from proxy.providers.base import Call
from proxy.providers.outbound import HttpRequest, endpoint, headers, key, streams, without_signatures


def openai_request(call: Call) -> HttpRequest:
    """The call as a POST to the operation's path."""
    secret = key(call)
    credentials = {"authorization": f"Bearer {secret}"} if secret else {}
    return HttpRequest(
        url=endpoint(call, call.operation.path),
        headers=headers(call, **credentials),
        body=dumps(_body(call)),
        stream=streams(call),
    )


def _body(call: Call) -> dict[str, Any]:
    body = {**without_signatures(call.body), "model": call.model}
    if call.operation.encode is None:
        return body
    body["stream"] = streams(call)
    options = body.pop("stream_options", None)
    if streams(call) and call.provider.include_usage:
        body["stream_options"] = {**(options or {}), "include_usage": True}
    return body
