"""Gemini's `generateContent` answers, streamed or whole -> policy events.

Rule: the format has no end marker, and text or calls may follow a `finishReason`. So a choice's `Finish` waits for the
end of the bytes, which comes right behind the last event; an answer that ends before every candidate has a reason was
cut.

What a client may read as the answer or run is a part's `text` or `functionCall`. Parts of the provider's own tools
(executed code, searches) and of kinds not known here are kept as `Opaque` for a chain without guards.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from policies.events import Attachment, End, Event, FinishReason, Opaque, Text, ToolCall, Usage
from proxy.formats.base import Decoded, DecodeError, Meta
from proxy.formats.citations import Grounding, Room
from proxy.formats.fields import UNREADABLE, Unreadable, arguments, count, error_message, items, label, obj, string
from proxy.formats.finish import BROKEN, GEMINI, UNSAID, broken_off, ended, worse
from proxy.formats.jsontext import loads
from proxy.formats.marks import is_done, is_pulse

SIGNATURE_MARK: Final = "__thought__"
"""What stands between a call's id and the signature of the thought behind it (LiteLLM's form)."""

_STATUS: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_ANSWER: Final = {"candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback"}
_CANDIDATE: Final = {"content", "index", "finishReason"}
_MAX_CHOICES = 128
_NAMESPACES: Final = ("default_api.", "default_api:")
"""What the model takes for a module that the tools are in, and puts before a tool's name now and then."""

_Object: TypeAlias = dict[str, Any]


def mint_call_id() -> str:
    """An id for a tool call: unique over all turns of all conversations, as clients send it back."""
    return f"call_{secrets.token_hex(12)}"


@dataclass(slots=True)
class _Choice:
    finish: FinishReason | None = None
    explanation: str = ""
    calls: int = 0
    images: int = 0
    parts: int = 0
    grounding: Grounding = field(default_factory=Grounding)


class GeminiDecoder:
    """Decodes one answer; see `proxy.formats.base.Decoder`.

    `guarded` leaves out what Sluice does not know. `ids` mints ids for tool calls that come without one. `one_call`
    keeps the first call of each choice alone: Gemini cannot be told that a client wants no parallel calls.
    """

    def __init__(self, guarded: bool, ids: Callable[[], str] = mint_call_id, *, one_call: bool = False) -> None:
        self.meta = Meta()
        self._guarded = guarded
        self._ids = ids
        self._one_call = one_call
        self._over = False
        self._broken: DecodeError | None = None
        self._counted: _Object = {}
        self._usage = Usage(0, 0)
        self._choices: dict[int, _Choice] = {}
        self._room = Room()

    def decode(self, event: str | None, data: bytes) -> Sequence[Decoded]:
        """One server-sent event; the format gives them no names. Gateways put OpenAI's `[DONE]` and signs of life
        between the events."""
        if self._over or (data[:1] != b"{" and (is_done(data) or is_pulse(event, data))):
            return ()
        try:
            body = loads(data)
            return self._answer(body) if type(body) is dict else self._answers(body)
        except (ValueError, Unreadable):
            return self._fail(UNREADABLE)

    def more(self, like: Text, text: str, counts: _Object | None) -> Sequence[Decoded]:
        """See `Decoder.more`."""
        if like.channel == "content":
            self._choices[like.choice].grounding.offsets.add(text)
        piece = Text(like.choice, like.channel, text)
        return (piece,) if counts is None else [piece, *self._count(counts)]

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """A whole answer, or a whole error; also an array of them."""
        out = [*self.decode(None, body)]
        if self._over:
            return out
        for choice in self._choices.values():
            choice.finish = choice.finish or "stop"
        return [*out, *(self.eof() or self._fail(UNREADABLE))]

    def eof(self) -> Sequence[Decoded]:
        """A `Finish` for each choice that has its reason, and the natural end when all have."""
        if self._over:
            return ()
        self._over = True
        out: list[Decoded] = []
        for index, choice in self._choices.items():
            if choice.finish:
                out += ended(index, _reason(choice), choice.explanation)
        return [*out, End("natural")] if out and all(c.finish for c in self._choices.values()) else out

    def _fail(self, fault: DecodeError) -> Sequence[Decoded]:
        self._over = True
        return (fault,)

    def _answers(self, body: Any) -> Sequence[Decoded]:
        """Errors may come in an array, and so do answers when `alt=sse` got lost."""
        if type(body) is not list:
            raise Unreadable
        out: list[Decoded] = []
        for answer in body:
            if not self._over:
                out += self._answer(obj(answer))
        return out

    def _answer(self, body: _Object) -> Sequence[Decoded]:
        if body.get("error") is not None:
            return self._error(obj(body["error"]))
        if self.meta.id is None:
            self.meta.id = label(body.get("responseId"), self._guarded)
            self.meta.model = label(body.get("modelVersion"), self._guarded)
        out: list[Decoded] = []
        candidates = items(body.get("candidates"))
        for candidate in candidates:
            self._candidate(obj(candidate), out)
        out += self._count(body.get("usageMetadata"))
        if not self._guarded and not body.keys() <= _ANSWER:
            out.append(Opaque(None, "chunk", {name: body[name] for name in body.keys() - _ANSWER}))
        if self._broken is not None:
            return [*out, *self._fail(self._broken)]
        feedback = obj(body.get("promptFeedback"))
        if not candidates and string(feedback.get("blockReason")):
            return [*out, *self._blocked(string(feedback.get("blockReasonMessage")))]
        return out

    def _count(self, usage: Any) -> Sequence[Usage]:
        if type(usage) is not dict or usage == self._counted:
            return ()
        self._counted = usage
        self._usage = now = _usage(usage, self._usage)
        return (now,) if now.prompt or now.completion else ()

    def _error(self, error: _Object) -> Sequence[Decoded]:
        code, kind = error.get("code"), label(error.get("status"), guarded=True)
        status = code if type(code) is int and 400 <= code <= 599 else _STATUS.get(kind or "", 502)
        return self._fail(DecodeError(error_message(error.get("message")), status, kind, quoted=True))

    def _blocked(self, explanation: str) -> Sequence[Decoded]:
        """The prompt was refused: nothing (more) is answered."""
        for choice in self._choices.values() or [self._choices.setdefault(0, _Choice())]:
            choice.finish = "content_filter"
            choice.explanation = explanation
        return self.eof()

    def _candidate(self, candidate: _Object, out: list[Decoded]) -> None:
        index = candidate.get("index") or 0
        choice = self._choices.get(index) if type(index) is int else None
        if choice is None:
            choice = self._begin(index)
        parts = obj(candidate.get("content")).get("parts")
        for part in [parts] if type(parts) is dict else items(parts):
            if type(part) is dict:
                out += self._part(index, choice, part)
        reason = candidate.get("finishReason")
        choice.explanation = string(candidate.get("finishMessage")) or choice.explanation
        if reason:
            self._finish(choice, reason)
        if not candidate.keys() <= _CANDIDATE:
            out += self._metadata(index, choice, candidate)

    def _finish(self, choice: _Choice, reason: Any) -> None:
        ending = GEMINI.get(reason, BROKEN) if type(reason) is str else BROKEN
        if ending == BROKEN:
            self._broken = broken_off(reason)
        elif ending != UNSAID:
            choice.finish = worse(choice.finish, ending)

    def _begin(self, index: Any) -> _Choice:
        if type(index) is not int or not 0 <= index < _MAX_CHOICES:
            raise Unreadable
        self._choices[index] = choice = _Choice(grounding=Grounding(self._room))
        return choice

    def _metadata(self, index: int, choice: _Choice, candidate: _Object) -> Iterator[Event]:
        if annotations := choice.grounding.annotations(candidate):
            yield Attachment(index, "annotations", annotations)
        rest = {name: candidate[name] for name in candidate.keys() - _CANDIDATE if candidate[name]}
        if rest and not self._guarded:
            yield Opaque(index, "choice", rest)

    def _part(self, index: int, choice: _Choice, part: _Object) -> Sequence[Event]:
        text = part.get("text")
        if type(text) is str:
            if part.get("thought") is True:
                return (Text(index, "reasoning", text),) if text else ()
            choice.grounding.offsets.add(text)
            if "thoughtSignature" in part:
                return _signed(index, text, part["thoughtSignature"])
            return (Text(index, "content", text),) if text else ()
        if "functionCall" in part:
            return self._call(index, choice, part)
        data = obj(part.get("inlineData"))
        kind = label(data.get("mimeType"), guarded=True) or ""
        if kind.startswith("image/") and part.get("thought") is not True:
            return self._image(index, choice, f"data:{kind};base64,{string(data.get('data'))}")
        return self._keep(index, choice, part)

    def _call(self, index: int, choice: _Choice, part: _Object) -> Sequence[Event]:
        """A call, whole. Its signature goes into `extra`, and into the id too, as LiteLLM does: most clients send back
        the id alone, and the provider refuses a call that comes back without its signature."""
        if self._one_call and choice.calls:
            return ()
        call = obj(part["functionCall"])
        name, id = call.get("name"), string(call.get("id")) or self._ids()
        if type(name) is not str:
            raise Unreadable
        extra = None
        if signature := string(part.get("thoughtSignature")):
            id = f"{id}{SIGNATURE_MARK}{signature}"
            extra = {"provider_specific_fields": {"thought_signature": signature}}
        for namespace in _NAMESPACES:
            name = name.removeprefix(namespace)
        choice.calls += 1
        return (ToolCall(index, choice.calls - 1, id, name, arguments(call.get("args")), extra=extra),)

    def _image(self, index: int, choice: _Choice, url: str) -> Sequence[Event]:
        choice.images += 1
        image = {"type": "image_url", "image_url": {"url": url}, "index": choice.images - 1}
        return (Attachment(index, "images", [image]),)

    def _keep(self, index: int, choice: _Choice, part: _Object) -> Sequence[Event]:
        if self._guarded or not part:
            return ()
        choice.parts += 1
        return (Opaque(index, "delta", {"provider_parts": [{**part, "index": choice.parts - 1}]}),)


def _signed(index: int, text: str, signature: Any) -> Sequence[Event]:
    signed = [Attachment(index, "provider_specific_fields", {"thought_signatures": [signature]})]
    return [*([Text(index, "content", text)] if text else []), *(signed if string(signature) else [])]


def _reason(choice: _Choice) -> FinishReason:
    """Calls are told by `tool_calls`, unless the answer was cut behind them."""
    return "tool_calls" if choice.calls and choice.finish == "stop" else choice.finish or "stop"


def _usage(usage: _Object, before: Usage) -> Usage:
    """Counts are those of the answer so far. An event may leave out the prompt's or the answer's, or give 0 for them;
    those stay."""
    prompt, cached = before.prompt, before.cached
    completion, reasoning = before.completion, before.reasoning
    if count(usage.get("promptTokenCount")):
        prompt = count(usage["promptTokenCount"]) + count(usage.get("toolUsePromptTokenCount"))
        cached = count(usage.get("cachedContentTokenCount"))
    thoughts = count(usage.get("thoughtsTokenCount"))
    made, total = count(usage.get("candidatesTokenCount")) + thoughts, usage.get("totalTokenCount")
    if type(total) is int and total > prompt + made and prompt:
        made = count(total) - prompt  # what is neither was made and is billed
    if made > 0:
        completion, reasoning = made, thoughts
    return Usage(prompt, completion, cached, 0, reasoning)
