"""Anthropic's `v1/messages` answers, streamed or whole -> policy events.

Rule: there is one choice, 0. Its `stop_reason` says how it ends, and `message_stop` that it does; where the bytes end
between the two, nothing of the answer is missing, and a block that comes there is still the answer's. Events of kinds
not known here are skipped.

A whole message is played as the stream it would have been, so both are decoded by the same code. What blocks mean is in
`proxy.formats.anthropic.blocks`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from policies.events import End, FinishReason, Usage
from proxy.formats.anthropic.blocks import Blocks
from proxy.formats.base import Decoded, DecodeError, Meta
from proxy.formats.fields import UNREADABLE, Unreadable, count, error_message, items, label, obj, string
from proxy.formats.finish import ANTHROPIC, broken_off, ended, worse
from proxy.formats.jsontext import loads
from proxy.formats.marks import is_done, is_pulse

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

_COUNTS: Final = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "iterations",
)
"""What is kept of a usage object."""

MAX_ROUNDS: Final = 64
"""`iterations` that are added up; each event with counts adds them up again."""

_Object: TypeAlias = dict[str, Any]


class AnthropicDecoder:
    """Decodes one answer; see `proxy.formats.base.Decoder`.

    `guarded` leaves out what Sluice does not know. `json_tool` says that the request forces LiteLLM's JSON tool, whose
    arguments are the answer's content. `tool_names` maps the tools' names as the provider was told them to those the
    client gave, where they differ.
    """

    def __init__(self, guarded: bool, json_tool: bool = False, tool_names: Mapping[str, str] | None = None) -> None:
        self.meta = Meta()
        self._guarded = guarded
        self._over = False
        self._reason: FinishReason | None = None
        self._explanation = ""
        self._usage: _Object = {}
        self._blocks = blocks = Blocks(guarded, json_tool, tool_names or {})
        self.more = blocks.more
        self._handlers: dict[str, Callable[[_Object], Sequence[Decoded]]] = {
            "content_block_delta": blocks.delta,
            "content_block_start": blocks.start,
            "content_block_stop": blocks.stop,
            "message_start": self._message_start,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
            "error": self._error,
        }

    def decode(self, event: str | None, data: bytes) -> Sequence[Decoded]:
        """One server-sent event. Its name is not looked at: the data repeats it. Gateways put OpenAI's `[DONE]` and
        signs of life between the events."""
        if self._over or (data[:1] != b"{" and (is_done(data) or is_pulse(event, data))):
            return ()
        try:
            body = loads(data)
            if type(body) is not dict:
                return self._fail(UNREADABLE)
            kind = body.get("type")
            handler = self._handlers.get(kind) if type(kind) is str else None
            if handler is not None:
                return handler(body)
            return self._error(body) if type(body.get("error")) is dict else ()
        except (ValueError, Unreadable):
            return self._fail(UNREADABLE)

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """A whole Message, or a whole error."""
        if self._over:
            return ()
        try:
            message = obj(loads(body))
            return self._error(message) if type(message.get("error")) is dict else self._play(message)
        except (ValueError, Unreadable):
            return self._fail(UNREADABLE)

    def eof(self) -> Sequence[Decoded]:
        """The natural end when the `stop_reason` has come, though not the `message_stop`."""
        return self._message_stop({}) if self._reason and not self._over else ()

    def _play(self, message: _Object) -> Sequence[Decoded]:
        content = message.get("content")
        if type(content) is not list:
            raise Unreadable
        out = [*self._message_start({"message": message})]
        for block in content:
            out += self._blocks.start({"index": 0, "content_block": block})
            out += self._blocks.stop({"index": 0})
        out += self._message_delta({"delta": message})
        return out if self._over else [*out, *self._message_stop({})]

    def _message_start(self, body: _Object) -> Sequence[Decoded]:
        message = obj(body.get("message"))
        self.meta.id = label(message.get("id"), self._guarded)
        self.meta.model = label(message.get("model"), self._guarded)
        return self._count(message)

    def _message_delta(self, body: _Object) -> Sequence[Decoded]:
        usage = self._count(body)
        delta = obj(body.get("delta"))
        self._explanation = string(obj(delta.get("stop_details")).get("explanation")) or self._explanation
        reason = delta.get("stop_reason")
        return usage if reason is None else [*usage, *self._finish(reason)]

    def _message_stop(self, body: _Object) -> Sequence[Decoded]:
        self._over = True
        finish = self._reason or "stop"
        # Calls that the provider ran itself, or the forced JSON tool, leave the client nothing to run.
        if finish in ("stop", "tool_calls"):
            finish = "tool_calls" if self._blocks.calls else "stop"
        return [*self._blocks.close(), *ended(0, finish, self._explanation), End("natural")]

    def _error(self, body: _Object) -> Sequence[Decoded]:
        error = obj(body.get("error"))
        kind = label(error.get("type"), guarded=True)
        return self._fail(
            DecodeError(error_message(error.get("message")), _STATUS.get(kind or "", 502), kind, quoted=True)
        )

    def _fail(self, fault: DecodeError) -> Sequence[Decoded]:
        self._over = True
        return (fault,)

    def _count(self, holder: _Object) -> Sequence[Decoded]:
        """Counts replace earlier ones, but for those that are null, and zeros: they take nothing back."""
        usage = obj(holder.get("usage"))
        if not usage:
            return ()
        self._usage.update((name, usage[name]) for name in _COUNTS if usage.get(name) not in (None, 0))
        return (_usage(self._usage),)

    def _finish(self, reason: Any) -> Sequence[Decoded]:
        ending = ANTHROPIC.get(reason) if type(reason) is str else None
        if ending is None:
            return [*self._blocks.close(), *self._fail(broken_off(reason))]
        self._reason = worse(self._reason, ending)
        return ()


def _usage(usage: _Object) -> Usage:
    """With `iterations` (compaction, an advisor) the other counts are those of the last one alone."""
    rounds = [obj(one) for one in items(usage.get("iterations"))[:MAX_ROUNDS]] or [usage]
    cached = sum(count(one.get("cache_read_input_tokens")) for one in rounds)
    written = sum(count(one.get("cache_creation_input_tokens")) for one in rounds)
    fresh = sum(count(one.get("input_tokens")) for one in rounds)
    completion = sum(count(one.get("output_tokens")) for one in rounds)
    thought = sum(map(_thought, rounds)) or _thought(usage)
    return Usage(fresh + cached + written, completion, cached, written, min(thought, completion))


def _thought(usage: _Object) -> int:
    return count(obj(usage.get("output_tokens_details")).get("thinking_tokens"))
