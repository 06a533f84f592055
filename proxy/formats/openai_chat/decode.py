"""OpenAI's chat-completions format, as OpenAI and the many servers that imitate it send it, into policy events.

Rules. Text goes into its channel whatever member it came in; what we don't know is `Opaque`, or left out when the chain
is guarded. The order within a chunk: unknown members, reasoning, content, refusal, calls, attachments, finish; then
usage. Text, calls and counts behind a choice's finish reason are the answer's too, as the official SDKs join them: so a
choice's `Finish` waits for `[DONE]` or the end of the bytes. An index outside 0..127 is a fault: text that has no place
must not go anywhere. A choice that begins with a `message` or a `text` in place of a `delta` goes on so (some servers
stream them); a `message` behind deltas is a copy of them. `[DONE]` ends the choices that never got a reason. Data that
is no JSON object may be a sign of life, an error in plain words, or several chunks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policies.events import ATTACHMENTS, Attachment, Channel, End, Finish, FinishReason, Opaque, Text, Usage
from proxy.formats import finish
from proxy.formats.base import Decoded, DecodeError, Meta
from proxy.formats.fields import UNREADABLE, Unreadable, items, label, lasting, whole_number
from proxy.formats.jsontext import loads
from proxy.formats.marks import is_done, is_pulse, plain_error, without_prefix
from proxy.formats.openai_chat import guard
from proxy.formats.openai_chat.calls import MAX_INDEX, Calls
from proxy.formats.openai_chat.errors import disguised, fault, is_error
from proxy.formats.openai_chat.usage import usage

_META = ("id", "model", "system_fingerprint", "service_tier")
_META_LIMIT = 256
_CHUNK = frozenset({*_META, "object", "created", "choices", "usage", "error"})
_CHOICE = frozenset({"index", "finish_reason", "logprobs", "usage", "error"})
_STREAMED = _CHOICE | {"delta", "message"}
_KNOWN = {"delta": _STREAMED, "message": _STREAMED, "text": _STREAMED | {"text"}}
"""What is known of a choice, by the member that has its text."""

_DELTA = ATTACHMENTS | {
    "role",
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "tool_calls",
    "function_call",
    "error",
}
_ATTACHMENTS = tuple(sorted(ATTACHMENTS))
_GUARDED: Mapping[str, tuple[type, Callable[[Any], Any]]] = {
    "provider_specific_fields": (dict, guard.signatures),
    "thinking_blocks": (list, guard.thinking_blocks),
    "images": (list, guard.images),
}
"""What a guarded answer keeps of attachments, with their types; all of the others' texts are looked at."""

_EMPTY = DecodeError(
    "The provider's answer has no choices; check that base_url points to an OpenAI-format server.",
    kind="malformed_event",
)


class OpenAIDecoder:
    """A `proxy.formats.base.Decoder`. `guarded`: leave out what we don't know."""

    def __init__(self, guarded: bool) -> None:
        self.meta = Meta()
        self._guarded = guarded
        self._calls: dict[int, Calls] = {}
        self._told: dict[int, str] = {}
        """The member of each choice that has its text and calls."""
        self._reasons: dict[int, FinishReason] = {}
        self._learned: object = self
        self._counted: Usage | None = None
        self._broken: DecodeError | None = None
        self._strange = False
        """There were objects without choices."""
        self._over = False

    def decode(self, event: str | None, data: bytes) -> Sequence[Decoded]:
        """One chunk, an error, or `[DONE]`."""
        if self._over:
            return ()
        failed = event == "error"
        if data[:1] != b"{":
            data = without_prefix(data)
            if is_done(data):
                return self._end()
            if not failed and is_pulse(event, data):
                return ()
        return self._read(data, whole=False, failed=failed)

    def more(self, like: Text, text: str, counts: dict[str, Any] | None) -> Sequence[Decoded]:
        """See `Decoder.more`."""
        piece = Text(like.choice, like.channel, text)
        if counts is None:
            return (piece,)
        events: list[Decoded] = [piece]
        self._usage(events, counts)
        return events

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """A `chat.completion` object; also the chunks of a stream, a line or an item of a list each."""
        if self._over:
            return ()
        events = self._read(body, whole=True, failed=False)
        if self._over:
            return events
        return events + (self._end() if self._calls else self._fail(_EMPTY))

    def eof(self) -> Sequence[Decoded]:
        """The natural end for servers without `[DONE]`: every choice that was begun has its finish reason."""
        if self._over or (self._calls and self._calls.keys() - self._reasons.keys()):
            return ()
        if not self._calls:
            return self._fail(_EMPTY) if self._strange else ()
        return self._end()

    def _read(self, data: bytes, *, whole: bool, failed: bool) -> list[Decoded]:
        try:
            chunks = loads(data)
        except ValueError:
            return self._unparsed(data, failed)
        events: list[Decoded] = []
        for chunk in chunks if type(chunks) is list and chunks else (chunks,):
            if self._over:
                break
            if type(chunk) is not dict:
                return events + self._fail(UNREADABLE)
            if failed or is_error(chunk):
                return events + self._fail(fault(chunk))
            try:
                self._chunk(events, chunk, whole)
            except Unreadable:
                events += self._fail(UNREADABLE)
        return events

    def _unparsed(self, data: bytes, failed: bool) -> list[Decoded]:
        """Data that is no JSON: several lines with a chunk each, or an error in plain words. The last line may be an
        error for which the event before it was left unfinished."""
        said = data.decode(errors="replace").strip() if failed else plain_error(data)
        if said is not None:
            return self._fail(fault({"error": said or {}}))
        lines = [without_prefix(line.strip()) for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or not all(line[:1] == b"{" or is_done(line) for line in lines):
            return self._fail(UNREADABLE)
        last = _object(lines[-1])
        if last is not None and is_error(last):
            lines = [line for line in lines if _object(line) is not None]
        return [event for line in lines for event in self.decode(None, line)]

    def _chunk(self, events: list[Decoded], chunk: dict[str, Any], whole: bool) -> None:
        if not self._guarded and not chunk.keys() <= _CHUNK:
            self._opaque(events, None, "chunk", chunk, _CHUNK)
        before = len(self._reasons)
        choices = chunk.get("choices")
        if type(choices) is dict:
            choices = [choices]
        if choices and type(choices) is list:
            for position, choice in enumerate(choices):
                if type(choice) is dict:
                    self._choice(events, choice, position, whole)
        else:
            self._strange = True
            self._broken = disguised(chunk)
        last = len(self._reasons) != before
        counts = chunk.get("usage")
        if counts is None and (last or "x_groq" in chunk):
            counts = _hidden_usage(chunk)
        if last or counts or self._learned != chunk.get("id"):
            self._learn(chunk)
        if counts and not self._over:
            self._usage(events, counts)
        if self._broken is not None:
            events += self._fail(self._broken)

    def _choice(self, events: list[Decoded], choice: dict[str, Any], position: int, whole: bool) -> None:
        index = choice.get("index")
        if type(index) is not int or not 0 <= index <= MAX_INDEX:
            index = position if index is None else whole_number(index, MAX_INDEX)
        if index not in self._calls:
            self._calls[index] = Calls(index, self._guarded)
        told = self._told.get(index) or self._teller(index, choice)
        if not self._guarded:
            self._unknown(events, index, choice, _KNOWN[told])
        delta = choice.get(told)
        if type(delta) is dict:
            content = delta.get("content")
            if type(content) is str and len(delta) == 1:
                if content:
                    events.append(Text(index, "content", content))
            else:
                self._delta(events, index, delta, whole)
        elif type(delta) is str and delta:
            events.append(Text(index, "content", delta))
        elif is_error(choice):
            self._broken = fault(choice)
        if reason := choice.get("finish_reason"):
            self._finish(index, reason, choice)

    def _teller(self, index: int, choice: dict[str, Any]) -> str:
        for name, kinds in (("delta", (dict, str)), ("message", (dict,)), ("text", (str,))):
            if isinstance(choice.get(name), kinds):
                self._told[index] = name
                return name
        return "delta"

    def _delta(self, events: list[Decoded], index: int, delta: dict[str, Any], whole: bool) -> None:
        if is_error(delta):
            self._broken = fault(delta)
        if not self._guarded and not delta.keys() <= _DELTA:
            self._opaque(events, index, "delta", delta, _DELTA)
        content, thinking = _content(delta.get("content"))
        texts: tuple[tuple[Channel, Any], ...] = (
            ("reasoning", delta.get("reasoning_content") or delta.get("reasoning") or thinking),
            ("content", content),
            ("refusal", delta.get("refusal")),
        )
        for channel, text in texts:
            if text and isinstance(text, str):
                events.append(Text(index, channel, text))
        if pieces := delta.get("tool_calls"):
            events.extend(self._calls[index].tools(pieces, whole=whole))
        if piece := delta.get("function_call"):
            events.extend(self._calls[index].legacy(piece))
        if not ATTACHMENTS.isdisjoint(delta):
            self._attachments(events, index, delta)

    def _attachments(self, events: list[Decoded], index: int, delta: dict[str, Any]) -> None:
        for name in _ATTACHMENTS:
            value = delta.get(name)
            kind, known = _GUARDED.get(name, (list, None))
            if self._guarded and known is not None and isinstance(value, kind):
                value = known(value)
            if value and isinstance(value, kind):
                events.append(Attachment(index, name, value))

    def _unknown(self, events: list[Decoded], index: int, choice: dict[str, Any], known: frozenset[str]) -> None:
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict) and any(value is not None for value in logprobs.values()):
            events.append(Opaque(index, "choice", {"logprobs": logprobs}))
        if not choice.keys() <= known:
            self._opaque(events, index, "choice", choice, known)

    def _finish(self, index: int, reason: Any, choice: dict[str, Any]) -> None:
        ending = finish.openai(reason)
        if ending == finish.BROKEN:
            self._broken = self._broken or (fault(choice) if is_error(choice) else finish.broken_off(reason))
        elif ending != finish.UNSAID:
            self._reasons[index] = finish.worse(self._reasons.get(index), ending)

    def _usage(self, events: list[Decoded], counts: Any) -> None:
        if isinstance(counts, dict) and (tokens := usage(counts, guarded=self._guarded)):
            self._counted = lasting(self._counted, tokens)
            events.append(self._counted)

    def _end(self) -> list[Decoded]:
        self._over = True
        ended: list[Decoded] = []
        for index, calls in self._calls.items():
            reason = calls.ending(self._reasons.get(index))
            ended += calls.close(reason)
            ended.append(Finish(index, reason))
        return [*ended, End("natural")]

    def _fail(self, error: DecodeError) -> list[Decoded]:
        self._over = True
        return [error]

    def _learn(self, chunk: dict[str, Any]) -> None:
        """Who answers: told by the first chunk of an id, and by those that finish a choice or count tokens. What was
        known first stays."""
        self._learned = chunk.get("id")
        for name in _META:
            value = label(chunk.get(name), self._guarded)
            if value and len(value) <= _META_LIMIT and getattr(self.meta, name) is None:
                setattr(self.meta, name, value)
        created = chunk.get("created")
        if self.meta.created is None and isinstance(created, int | float) and 1 < created < 2**53:
            self.meta.created = int(created)

    @staticmethod
    def _opaque(
        events: list[Decoded], index: int | None, place: Any, members: Mapping[str, Any], known: frozenset[str]
    ) -> None:
        fields = {name: value for name, value in members.items() if name not in known and value is not None}
        if fields:
            events.append(Opaque(index, place, fields))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = loads(line)
    except ValueError:
        return None
    return value if type(value) is dict else None


def _content(content: Any) -> tuple[str, str]:
    """The text and the reasoning of a delta's content, which may be one part or a list of them (Mistral,
    Databricks)."""
    if isinstance(content, str):
        return content, ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in [content] if type(content) is dict else items(content):
        match part:
            case str(text):
                texts.append(text)
            case {"type": "thinking", "thinking": str(text)}:
                thoughts.append(text)
            case {"type": "thinking", "thinking": list(pieces)} | {"type": "reasoning", "summary": list(pieces)}:
                thoughts += [one["text"] for one in pieces if isinstance(one, dict) and type(one.get("text")) is str]
            case {"type": "reasoning", "text": str(text)}:
                thoughts.append(text)
            case {"type": "text" | "output_text", "text": str(text)}:
                texts.append(text)
    return "".join(texts), "".join(thoughts)


def _hidden_usage(chunk: Mapping[str, Any]) -> Any:
    """Token counts where Groq (`x_groq`) and Moonshot (the choice) put them."""
    choices = chunk.get("choices")
    for holder in (chunk.get("x_groq"), *(choices if isinstance(choices, list) else ())):
        if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
            return holder["usage"]
    return None
