"""The native streams: a request in the provider's own wire format, and the codec that reads its answer."""

import re
from dataclasses import replace

from proxy.errors import UpstreamError
from proxy.providers.answer import NativeAnswer, died
from proxy.providers.base import Answer, Call
from proxy.providers.mapping.workers import Workers
from proxy.providers.registry import wire
from proxy.providers.requests import prepared
from proxy.providers.sending import Sender, body_of, refusal

_NO_ANSWER = frozenset({204, 205, 206})
"""Successes whose body is none, or a part of one."""

WHOLE = {"whole": "native"}
_NAMES_STREAM = re.compile(r"\bstream(ing|ed)?\b(?!_)", re.IGNORECASE)


class NativeUpstream:
    """Calls the providers of `proxy.providers.registry` in their own wire formats."""

    keeps_body = False

    def __init__(self, sender: Sender, workers: Workers | None = None) -> None:
        self._sender = sender
        self._workers = workers or Workers()

    async def open(self, call: Call) -> Answer:
        """Send the request, wait for the head of a success. Raises `InvalidRequest` (the request can't be mapped) or
        `UpstreamError`."""
        try:
            return await self._attempt(call)
        except UpstreamError as error:
            if call.operation.encode is None or not _refuses_to_stream(error):
                raise
        return await self._attempt(replace(call, stream=False, settings=call.settings.model_copy(update=WHOLE)))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._sender.aclose()

    async def _attempt(self, call: Call) -> Answer:
        request = await prepared(call, self._workers)
        response = await self._sender.send(call, request)
        if not 200 <= response.status < 300:  # frameworks answer a POST with 201
            raise await refusal(call, response)
        body = body_of(response)
        if body is None or response.status in _NO_ANSWER:
            response.close()
            raise died(call.provider_name, "sent no answer")
        turns = self._sender.turns
        decoder = wire(call).decoder(call.guarded, request)
        return NativeAnswer(response, body, decoder, call, turns, streamed=request.stream)


def _refuses_to_stream(error: UpstreamError) -> bool:
    if error.provider_status != 400:
        return False
    return error.param == "stream" or bool(_NAMES_STREAM.search(error.message))
