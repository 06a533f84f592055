"""Spans for tests: a gateway that keeps its spans, and the tree of one request."""

import asyncio
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.end_to_end.running import Running


@dataclass(frozen=True)
class Tree:
    """The spans of one request. `chat` is None if no provider was asked."""

    server: ReadableSpan
    chat: ReadableSpan | None
    attempts: list[ReadableSpan]

    @property
    def all(self) -> list[ReadableSpan]:
        return [self.server, *([self.chat] if self.chat else []), *self.attempts]

    @property
    def answered(self) -> dict[str, Any]:
        """The chat span's attributes."""
        assert self.chat is not None
        return dict(self.chat.attributes or {})


async def spans_of(run: Running, kept: InMemorySpanExporter, requests: int = 1) -> list[ReadableSpan]:
    """Return and drop all exported spans, once `count` requests have ended."""
    await run.recorded(requests)
    await asyncio.sleep(0)  # the observer is told right behind the recorders
    await asyncio.to_thread(run.gateway.telemetry.flush)
    spans = list(kept.get_finished_spans())
    kept.clear()
    return spans


def tree(spans: list[ReadableSpan]) -> Tree:
    """Return the one request of some spans, and assert that they form a tree."""
    [server] = [span for span in spans if span.kind is SpanKind.SERVER]
    chats = [span for span in spans if span.name.startswith("chat ")]
    attempts = [span for span in spans if span.name.startswith("attempt ")]
    assert len(chats) <= 1 and 1 + len(chats) + len(attempts) == len(spans)
    assert len({id_of(span) for span in spans}) == len(spans)
    assert len({span.context.trace_id for span in spans}) == 1
    for span in chats:
        assert parent_of(span) == id_of(server)
    for span in attempts:
        assert parent_of(span) == id_of(chats[0])
    for span in spans:
        assert span.start_time and span.end_time and span.start_time <= span.end_time
        assert span.kind is (SpanKind.SERVER if span is server else SpanKind.CLIENT)
    return Tree(server, chats[0] if chats else None, attempts)


def id_of(span: ReadableSpan) -> int:
    return int(span.context.span_id)


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else int(span.parent.span_id)
