"""The two forms of an answer: a stream of chunks, sent as they come, or one whole answer."""

from collections.abc import Sequence

from policies.events import Event, Usage
from proxy.errors import GatewayError
from proxy.formats.base import Meta
from proxy.formats.operation import Accumulator, StreamEncoder
from proxy.streaming.execution import Sink
from proxy.streaming.observer import Listener
from proxy.streaming.response import Downstream, Headers


class TeeSink:
    """A sink whose events somebody listens to."""

    def __init__(self, sink: Sink, listener: Listener) -> None:
        self._sink = sink
        self._listener = listener
        self.use = sink.use
        self.done = sink.done
        self.error = sink.error

    def encode(self, events: Sequence[Event]) -> bytes:
        """See `Sink.encode`."""
        self._listener(events)
        return self._sink.encode(events)


class StreamSink:
    """Encode what comes, and ends as the format of the operation does."""

    def __init__(self, encoder: StreamEncoder) -> None:
        self._encoder = encoder
        self.use = encoder.use
        self.encode = encoder.encode

    async def done(self, down: Downstream, usage: Usage | None) -> None:
        """See `Sink.done`."""
        await down.end(self._encoder.done(usage))

    def error(self, error: GatewayError) -> bytes:
        """See `Sink.error`."""
        return self._encoder.error(error)


class JsonSink:
    """Join what comes, and sends nothing before the end."""

    def __init__(self, accumulator: Accumulator) -> None:
        self._joiner = accumulator
        self._meta = Meta()

    def use(self, meta: Meta) -> None:
        """See `Sink.use`."""
        self._meta = meta

    def encode(self, events: Sequence[Event]) -> bytes:
        """See `Sink.encode`. Raises `AnswerTooLarge`."""
        self._joiner.add(events)
        return b""

    async def done(self, down: Downstream, usage: Usage | None) -> None:
        """See `Sink.done`. A policy that stopped the answer is named in a header."""
        self._joiner.use(self._meta)  # the end may have told more
        by = self._joiner.stopped_by
        headers: Headers = [] if by is None else [(b"x-sluice-stopped-by", by.encode())]
        await down.whole(200, self._joiner.result(usage), headers)

    def error(self, error: GatewayError) -> bytes:
        """See `Sink.error`."""
        return b""
