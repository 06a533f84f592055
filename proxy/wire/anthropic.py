"""Anthropic's `v1/messages` answers, streamed or whole -> policy events.

Rule: what a client may run or read as the answer is a `text`, `thinking` or `tool_use` block; all other blocks (the
provider's own tools, their results, kinds not known yet) are structure, kept as `Opaque` for a chain without guards, and
never calls or content. There is one choice, 0.

Theory of operation: `decode` dispatches on the event's `type`. Text and thinking deltas are passed on as they are. A
block that has something to say at its stop (a signature, citations, arguments that came whole) is open until then. A
whole message is played as the stream it would have been. The choice finishes at the `stop_reason`, the answer ends at
`message_stop`; where the bytes end between the two nothing of the answer is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from policies.events import Attachment, End, Event, Finish, FinishReason, Opaque, Text, ToolCall, Usage
from proxy.wire.base import Decoded, Fault, Meta
from proxy.wire.citations import url_citation
from proxy.wire.fields import arguments, count, items, label, message, obj, string
from proxy.wire.jsontext import loads

JSON_TOOL: Final = "json_tool_call"
"""The tool LiteLLM forces for a JSON schema on models without structured output."""

_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_STATUS: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_SERVER_CALLS: Final = {"server_tool_use", "mcp_tool_use"}
_MOST_OPEN = 256
_MOST_THINKING = 1 << 22  # characters of one block; a longer one goes without its signature
_MOST_CITATIONS = 256
_BROKEN = Fault("The provider sent an event that cannot be read; if it repeats, check the provider's base_url.", 502, "malformed_event")

_Object: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class _TextBlock:
    start: int
    citations: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class _ThinkingBlock:
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    signature: str = ""

    def add(self, text: str) -> None:
        self.size += len(text)
        if self.size <= _MOST_THINKING:
            self.pieces.append(text)


@dataclass(slots=True)
class _ToolBlock:
    index: int | None
    """The call's place among the client's calls; None for `JSON_TOOL`, whose arguments are the answer's content."""
    input: Any
    streamed: bool = False


@dataclass(slots=True)
class _CompactionBlock:
    content: str


_Block: TypeAlias = _TextBlock | _ThinkingBlock | _ToolBlock | _CompactionBlock


class AnthropicDecoder:
    """Decodes one answer. See `proxy.wire.base.Decoder`.

    `guarded` leaves out what Sluice does not know. `json_tool` says that the request forces `JSON_TOOL`. `tool_names`
    maps names of tools as the provider was told them to those the client gave.
    """

    def __init__(self, guarded: bool, json_tool: bool = False, tool_names: Mapping[str, str] | None = None) -> None:
        self.meta = Meta()
        self._guarded = guarded
        self._json_tool = json_tool
        self._tool_names = tool_names or {}
        self._over = False
        self._finished = False
        self._length = 0  # characters of content so far
        self._calls = 0
        self._annotations = 0
        self._parts = 0
        self._usage: _Object = {}
        self._blocks: dict[int, _Block] = {}
        self._handlers: dict[str, Callable[[_Object], Sequence[Decoded]]] = {
            "content_block_delta": self._block_delta,
            "content_block_start": self._block_start,
            "content_block_stop": self._block_stop,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }

    def decode(self, event: str | None, data: bytes) -> Sequence[Decoded]:
        """One server-sent event; its name is not needed, the data repeats it."""
        if self._over:
            return ()
        try:
            body = loads(data)
        except ValueError:
            return self._fail(_BROKEN)
        if type(body) is not dict:
            return self._fail(_BROKEN)
        kind = body.get("type")
        handler = self._handlers.get(kind) if type(kind) is str else None
        return handler(body) if handler is not None else ()

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """A whole Message, or a whole error."""
        if self._over:
            return ()
        try:
            parsed = obj(loads(body))
        except ValueError:
            return self._fail(_BROKEN)
        if parsed.get("type") == "error":
            return self._error(parsed)
        if type(parsed.get("content")) is not list:
            return self._fail(_BROKEN)
        out = [*self._message_start({"message": parsed})]
        for block in parsed["content"]:
            out += self._block_start({"index": 0, "content_block": block})
            out += self._block_stop({"index": 0})
        out += self._message_delta({"delta": parsed})
        out += self._message_stop({})
        return _until_fault(out)

    def eof(self) -> Sequence[Decoded]:
        """The natural end if the answer had its `stop_reason`, though not its `message_stop`."""
        return self._message_stop({}) if self._finished and not self._over else ()

    def _fail(self, fault: Fault) -> Sequence[Decoded]:
        self._over = True
        return (fault,)
