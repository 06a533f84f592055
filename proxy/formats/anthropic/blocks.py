"""The content blocks of an Anthropic message -> policy events.

Rule: what a client may read as the answer or run is a `text`, `thinking` or `tool_use` block. All others (the
provider's own tools, their results, kinds not known yet) are structure: kept as `Opaque` for a chain without guards,
and never calls or content.

Text is passed on as it comes. A block that has something to say at its stop (a signature, citations, arguments that
came whole) is open until then; how many are open, and what each may hold, is bounded.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from policies.events import Attachment, Event, Opaque, Text, ToolCall
from proxy.formats.citations import url_citation
from proxy.formats.fields import Unreadable, arguments, items, obj, string
from proxy.formats.jsontext import dumps

JSON_TOOL: Final = "json_tool_call"
"""The tool that LiteLLM forces for a JSON schema on models without structured output."""

_MAX_OPEN = 256
_MAX_CITATIONS = 256
_MAX_THINKING = 1 << 22  # characters of one block; a longer one goes on without its signature
_MAX_HELD = 1 << 23  # characters of all open blocks: signatures, thoughts, citations, arguments

_Object: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class _TextBlock:
    start: int
    citations: list[Any]
    held: int = 0


@dataclass(slots=True)
class _ThinkingBlock:
    signature: str
    text: io.StringIO = field(default_factory=io.StringIO)
    """As one text: small pieces would take fifty times as much."""
    size: int = 0
    held: int = 0


@dataclass(slots=True)
class _ToolBlock:
    index: int | None
    """The call's place among the client's calls; None for `JSON_TOOL`, whose arguments are the answer's content."""
    input: Any
    streamed: bool = False
    held: int = 0


@dataclass(slots=True)
class _CompactionBlock:
    fields: _Object
    held: int = 0


_Block: TypeAlias = _TextBlock | _ThinkingBlock | _ToolBlock | _CompactionBlock


class Blocks:
    """The blocks of one message. `calls` counts those that the client is to run. Methods take an event's data and raise
    Unreadable when a call in it is broken."""

    def __init__(self, guarded: bool, json_tool: bool, tool_names: Mapping[str, str]) -> None:
        self.calls = 0
        self._guarded = guarded
        self._json_tool = json_tool
        self._tool_names = tool_names
        self._length = 0  # characters of content so far
        self._annotations = 0
        self._parts = 0
        self._open: dict[int, _Block] = {}
        self._held = 0
        self._thought: _Block | None = None
        self._deltas: dict[str, Callable[[_Block | None, _Object], Sequence[Event]]] = {
            "thinking_delta": self._thinking,
            "signature_delta": self._signature,
            "input_json_delta": self._input,
            "citations_delta": self._citation,
            "compaction_delta": self._compaction,
        }

    def start(self, body: _Object) -> Sequence[Event]:
        """`content_block_start`."""
        index, block = body.get("index"), obj(body.get("content_block"))
        if type(index) is not int:
            return ()
        closed = self._close(index)
        if len(self._open) >= _MAX_OPEN:
            raise Unreadable
        events = self._begin(index, block)
        if (opened := self._open.get(index)) is not None and not isinstance(opened, _ThinkingBlock):
            self._hold(opened, len(dumps(block)))
        return [*closed, *events]

    def delta(self, body: _Object) -> Sequence[Event]:
        """`content_block_delta`."""
        delta = body.get("delta")
        if type(delta) is not dict:
            return ()
        kind = delta.get("type")
        if kind == "text_delta":
            return self._content(delta.get("text"))
        handler = self._deltas.get(kind) if type(kind) is str else None
        index = body.get("index")
        block = self._open.get(index) if type(index) is int else None
        return handler(block, delta) if handler is not None else ()

    def more(self, like: Text, text: str, counts: _Object | None) -> Sequence[Event]:
        """Another delta like the one that gave `like`, with another text; see `Decoder.more`."""
        return self._content(text) if like.channel == "content" else self._thinking(self._thought, {"thinking": text})

    def stop(self, body: _Object) -> Sequence[Event]:
        """`content_block_stop`."""
        index = body.get("index")
        return self._close(index) if type(index) is int else ()

    def close(self) -> Sequence[Event]:
        """The message is over: what open blocks still have to say."""
        return [event for index in [*self._open] for event in self._close(index)]

    def _begin(self, index: int, block: _Object) -> Sequence[Event]:
        match block.get("type"):
            case "text":
                self._open[index] = _TextBlock(self._length, items(block.get("citations"))[:_MAX_CITATIONS])
                return self._content(block.get("text"))
            case "thinking":
                self._open[index] = thinking = _ThinkingBlock(string(block.get("signature")))
                return self._thinking(thinking, block)
            case "redacted_thinking":
                redacted = {"type": "redacted_thinking", "data": string(block.get("data"))}
                return (Attachment(0, "thinking_blocks", [redacted]),)
            case "tool_use":
                return self._tool(index, block)
            case "compaction":
                self._open[index] = _CompactionBlock(block)
                return ()
            case "server_tool_use" | "mcp_tool_use":
                return ()
            case _:
                return self._keep(block)

    def _hold(self, block: _Block, size: int) -> None:
        """An open block keeps so many more characters. Raises Unreadable."""
        block.held += size
        self._held += size
        if self._held > _MAX_HELD:
            raise Unreadable

    def _close(self, index: int) -> Sequence[Event]:
        closing = self._open.pop(index, None)
        if closing is None:
            return ()
        self._held -= closing.held
        match closing:
            case _TextBlock(citations=[_, *_]) as block:
                return self._cite(block)
            case _ThinkingBlock(signature, text, size) if signature and size <= _MAX_THINKING:
                thinking = {"type": "thinking", "thinking": text.getvalue(), "signature": signature}
                return (Attachment(0, "thinking_blocks", [thinking]),)
            case _ToolBlock(streamed=False) as block:
                return self._arguments(block, arguments(block.input))
            case _CompactionBlock(fields) if fields.get("content") and not self._guarded:
                return (Opaque(0, "delta", {"provider_specific_fields": {"compaction_blocks": [fields]}}),)
        return ()

    def _content(self, text: Any) -> Sequence[Event]:
        if type(text) is not str or not text:
            return ()
        self._length += len(text)
        return (Text(0, "content", text),)

    def _thinking(self, block: _Block | None, delta: _Object) -> Sequence[Event]:
        text, self._thought = string(delta.get("thinking")), block
        if isinstance(block, _ThinkingBlock):
            block.size += len(text)
            if block.size <= _MAX_THINKING:
                self._hold(block, len(text))
                block.text.write(text)
        return (Text(0, "reasoning", text),) if text else ()

    def _signature(self, block: _Block | None, delta: _Object) -> Sequence[Event]:
        if isinstance(block, _ThinkingBlock):
            block.signature = string(delta.get("signature"))
            self._hold(block, len(block.signature))
        return ()

    def _tool(self, index: int, block: _Object) -> Sequence[Event]:
        id, name = block.get("id"), block.get("name")
        if type(id) is not str or type(name) is not str:
            raise Unreadable
        if self._json_tool and name == JSON_TOOL:
            self._open[index] = _ToolBlock(None, block.get("input"))
            return ()
        self._open[index] = _ToolBlock(self.calls, block.get("input"))
        self.calls += 1
        return (ToolCall(0, self.calls - 1, id, self._tool_names.get(name, name)),)

    def _input(self, block: _Block | None, delta: _Object) -> Sequence[Event]:
        piece = string(delta.get("partial_json"))
        if not isinstance(block, _ToolBlock) or not piece:
            return ()
        block.streamed = True
        return self._arguments(block, piece)

    def _arguments(self, block: _ToolBlock, piece: str) -> Sequence[Event]:
        return self._content(piece) if block.index is None else (ToolCall(0, block.index, arguments=piece),)

    def _compaction(self, block: _Block | None, delta: _Object) -> Sequence[Event]:
        if isinstance(block, _CompactionBlock):
            block.fields = {**block.fields, "content": string(delta.get("content"))}
            self._hold(block, len(block.fields["content"]))
        return ()

    def _citation(self, block: _Block | None, delta: _Object) -> Sequence[Event]:
        if isinstance(block, _TextBlock) and len(block.citations) < _MAX_CITATIONS:
            block.citations.append(delta.get("citation"))
            self._hold(block, len(dumps(delta)))
        return ()

    def _cite(self, block: _TextBlock) -> Sequence[Event]:
        """A text block is cited as a whole. Sources without a URL keep LiteLLM's spelling."""
        annotations, others = list[_Object](), list[Event]()
        for citation in map(obj, block.citations):
            url = string(citation.get("url")) or string(citation.get("source"))
            if url.startswith(("https://", "http://")):
                title = string(citation.get("title"))
                annotations.append(url_citation(self._annotations, url, title, block.start, self._length))
                self._annotations += 1
            elif citation and not self._guarded:
                others.append(Opaque(0, "delta", {"provider_specific_fields": {"citation": citation}}))
        return [Attachment(0, "annotations", annotations), *others] if annotations else others

    def _keep(self, block: _Object) -> Sequence[Event]:
        if self._guarded or not block:
            return ()
        self._parts += 1
        return (Opaque(0, "delta", {"provider_parts": [{**block, "index": self._parts - 1}]}),)
