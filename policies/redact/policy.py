"""The redact policy: it sends every text of an answer, and of the request, through the engine.

Each channel of each choice is one text, from its first piece to the choice's finish. So are each tool call's arguments.
A call may continue after another has begun, and ending it in between would release half a match. Only a natural finish
releases held text. A block drops the choice's held text and ends the choice. `Note`s report redactions, without text.

Content is a JSON text if the client asked for JSON. Tool arguments always are, except for custom tools. A signed
thinking block is sent only after its whole text was sent unchanged. The provider would reject a changed block, and a
raw one would be a copy that bypasses the policy.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final

from policies.base import Context, Refuse, Request
from policies.events import (
    NATURAL_REASONS,
    Attachment,
    Channel,
    End,
    Event,
    Finish,
    Note,
    Pause,
    Stop,
    Text,
    ToolCall,
    Verdict,
)
from policies.redact.config import RedactConfig
from policies.redact.engines import Engines
from policies.redact.json_text import JsonStream
from policies.redact.pseudonyms import Pseudonyms, placeholders_in
from policies.redact.redactor import Redactor
from policies.redact.request import Blocked, RequestText, prefill_of
from policies.redact.stream import Match, Stream
from policies.redact.walk import AT_ONCE, everything, places, redacted
from policies.steps import Steps

PAUSE: Final = Pause()
_CHANNELS: Final[tuple[Channel, ...]] = ("reasoning", "content", "refusal")


@dataclass(slots=True)
class _Waiting:
    """A thinking block that waits until the reasoning text from `start` to `end` is decided."""

    attachment: Attachment
    start: int
    end: int


@dataclass(slots=True)
class _Call:
    index: int
    kind: Any
    stream: Stream | JsonStream


@dataclass(slots=True)
class _Choice:
    """The texts of one choice. `redacted` are the redacted places of its reasoning, as far as a block may
    contain them.
    """

    texts: dict[str, Stream | JsonStream | None] = field(default_factory=dict)
    calls: dict[int, _Call] = field(default_factory=dict)
    waiting: deque[_Waiting] = field(default_factory=deque)
    redacted: deque[tuple[int, int]] = field(default_factory=deque)
    thought: int = 0  # end of the reasoning that thinking blocks cover
    over: bool = False


class Redact:
    """The redact policies of one stream."""

    deadline: float | None = None
    wants_usage = False

    def __init__(self, name: str, engines: Engines, context: Context) -> None:
        self.name = name
        self._engines = engines
        self._json = context.json_answer
        self._pseudonyms: Pseudonyms | None = None
        self._begun: Stream | JsonStream | None = None
        self._choices: dict[int, _Choice] = {}
        self._early: list[Note] = []

    @property
    def held(self) -> int:
        """Count held characters: see `Chain.held`."""
        streams = [
            stream
            for choice in self._choices.values()
            for stream in (*choice.texts.values(), *(call.stream for call in choice.calls.values()))
        ]
        return sum(stream.held for stream in streams if stream is not None)

    def request(self, request: Request) -> Steps[Request | Refuse]:
        """Redact the request, and remember the text that the answer continues."""
        body: Mapping[str, Any] = request.body
        engine = self._engines.request
        if engine is not None:
            taken = (yield from placeholders_in(body, engine.rules)) if self._engines.reversible else ()
            self._pseudonyms = Pseudonyms(taken)
            text = RequestText(engine, self._pseudonyms)
            try:
                body = yield from text.body(body, request.texts)
            except Blocked as blocked:
                message = f"The request was blocked by the rule {blocked.rule!r} of {self._owner(blocked.rule)}."
                return Refuse(message, "content_blocked")
            self._early = [self._counted(rule, count) for rule, count in text.found.items()]
        yield from self._begin(prefill_of(body, request.texts))
        return replace(request, body=body)

    def _begin(self, prefill: str) -> Steps[None]:
        """Let the content of each choice continue a text."""
        stream = self._open("content") if prefill else None
        if stream is not None:
            for _ in stream.pieces(prefill):
                yield
            stream.skip()
            stream.matches.clear()
            self._begun = stream

    def _counted(self, name: str, count: int) -> Note:
        """Make the note on a rule's matches in the request."""
        return Note(self._owner(name), self._engines.rule(name).reported, name, channel="request", count=count)

    def feed(self, event: Event) -> Iterable[Verdict]:
        """Take one event. Return the events to pass on in its place."""
        if type(event) is Text and not self._early:  # the usual case
            return self._text(event)
        if self._early:
            early, self._early = self._early, []
            return chain(early, self.feed(event))
        match event:
            case Text():
                return self._text(event)
            case ToolCall():
                return self._tool_call(event)
            case Attachment():
                return self._attachment(event)
            case Finish(choice, reason):
                return chain(self._finish(choice, reason in NATURAL_REASONS, event.whole), (event,))
            case End(kind):
                return chain(self._end(kind == "natural"), (event,))
        return (event,)

    def _text(self, event: Text) -> Iterable[Verdict]:
        choice = self._choices.get(event.choice)
        stream = None if choice is None else choice.texts.get(event.channel)
        text = event.text
        if choice is None or stream is None or not text or choice.over:
            return self._first_text(event)
        if len(text) > AT_ONCE:
            return self._slices(event, choice, stream)
        out = stream.feed(text)
        if stream.matches or stream.blocked is not None or choice.waiting:
            return self._reported(event.choice, event.channel, stream, [Text(event.choice, event.channel, out)])
        if out is text:
            return (event,)
        return (Text(event.choice, event.channel, out),) if out else ()

    def _first_text(self, event: Text) -> Iterable[Verdict]:
        """Begin a text, or pass it if there is nothing to redact."""
        choice = self._choice(event.choice)
        if choice.over:
            return ()
        if event.channel not in choice.texts:
            choice.texts[event.channel] = self._open(event.channel)
        return (event,) if choice.texts[event.channel] is None or not event.text else self._text(event)

    def _slices(self, event: Text, choice: _Choice, stream: Stream | JsonStream) -> Iterator[Verdict]:
        """Redact a long text in slices, for a caller that takes events one by one."""
        out: list[str] = []
        for piece in stream.pieces(event.text):
            out.append(piece)
            if stream.blocked is not None:
                break
            yield PAUSE
        if not choice.over:
            text = Text(event.choice, event.channel, "".join(out))
            yield from self._reported(event.choice, event.channel, stream, [text])

    def _tool_call(self, event: ToolCall) -> Iterable[Verdict]:
        choice, engine = self._choice(event.choice), self._engines.channels["tools"]
        if choice.over or engine is None:
            return () if choice.over else (event,)
        call = choice.calls.get(event.index)
        if call is None:
            call = choice.calls[event.index] = _Call(event.index, event.kind, self._arguments(engine, event))
        if len(event.arguments) > AT_ONCE:
            return self._call_slices(event, choice, call)
        out = call.stream.feed(event.arguments)
        bare = event.id is None and event.name is None and event.extra is None
        piece = [] if bare and event.arguments and not out else [replace(event, arguments=out)]
        return self._reported(event.choice, "tools", call.stream, piece)

    def _call_slices(self, event: ToolCall, choice: _Choice, call: _Call) -> Iterator[Verdict]:
        """Redact long arguments in slices."""
        out: list[str] = []
        for piece in call.stream.pieces(event.arguments):
            out.append(piece)
            if call.stream.blocked is not None:
                break
            yield PAUSE
        if not choice.over:
            whole = replace(event, arguments="".join(out))
            yield from self._reported(event.choice, "tools", call.stream, [whole])

    def _attachment(self, event: Attachment) -> Iterable[Verdict]:
        choice = self._choice(event.choice)
        if choice.over:
            return ()
        if event.field in ("annotations", "images"):
            engine = self._engines.channels["content"]
            if engine is None or (event.field == "images" and _is_inline(event.value)):
                return (event,)
            return self._redacted(engine, event)
        reasoning = choice.texts.get("reasoning")
        if event.field != "thinking_blocks":
            return (event,)
        if not isinstance(reasoning, Stream):
            return self._if_clean(event)
        start, choice.thought = choice.thought, reasoning.position
        choice.waiting.append(_Waiting(event, start, reasoning.position))
        return self._decided(choice, reasoning)

    def _redacted(self, engine: Redactor, event: Attachment) -> Iterator[Verdict]:
        """Redact all texts of an attachment."""
        copy = {"value": event.value}
        for holder, key, _ in places(everything(copy, "value")):
            steps = redacted(engine.stream(self._pseudonyms), holder[key])
            holder[key] = yield from _paused(steps)
        yield replace(event, value=copy["value"])

    def _decided(self, choice: _Choice, reasoning: Stream) -> Iterator[Verdict]:
        """Yield the thinking blocks whose whole text was sent. Drop redacted ones."""
        while choice.waiting and choice.waiting[0].end <= reasoning.settled:
            block, places = choice.waiting.popleft(), choice.redacted
            while places and places[0][1] <= block.start:
                places.popleft()
            if not (places and places[0][0] < block.end) and not reasoning.overflowed:
                yield from self._if_clean(block.attachment)

    def _if_clean(self, block: Attachment) -> Iterator[Verdict]:
        """Yield a block if its own text, whatever was streamed, has nothing to redact."""
        engine, value = self._engines.channels["reasoning"], block.value
        if engine is not None and isinstance(value, list):
            texts = (part.get("thinking") for part in value if isinstance(part, Mapping))
            for text in (text for text in texts if isinstance(text, str)):
                if (yield from _paused(redacted(engine.stream(self._pseudonyms), text))) != text:
                    return
        yield block

    def _finish(self, index: int, natural: bool, whole: Sequence[Channel] = ()) -> Iterator[Verdict]:
        """End a choice's texts, and yield what a natural end releases. Texts of `whole` end naturally."""
        choice = self._choice(index)
        if choice.over:
            return
        if not natural:
            choice.waiting.clear()
        for channel in _CHANNELS:
            stream = choice.texts.get(channel)
            if stream is not None and not choice.over:
                text = stream.close(natural or channel in whole)
                yield from self._reported(index, channel, stream, [Text(index, channel, text)] if text else [])
        for call in choice.calls.values():
            if not choice.over:
                yield from self._end_call(index, call, natural)
        choice.over = True

    def _end_call(self, index: int, call: _Call, natural: bool) -> Iterator[Verdict]:
        text = call.stream.close(natural)
        piece = [ToolCall(index, call.index, arguments=text, kind=call.kind)] if text else []
        return self._reported(index, "tools", call.stream, piece)

    def _end(self, natural: bool) -> Iterator[Verdict]:
        for index in [*self._choices]:
            yield from self._finish(index, natural)

    def _reported(
        self, index: int, channel: str, stream: Stream | JsonStream, events: Sequence[Text | ToolCall]
    ) -> Iterator[Verdict]:
        """Yield events with notes on the matches, and the stop if one blocks."""
        choice = self._choice(index)
        yield from (e for e in events if not isinstance(e, Text) or e.text)
        matches = [*stream.matches]
        stream.matches.clear()
        for match in matches:
            yield self._note(match, index, channel)
            rule = self._engines.rule(match.rule)
            if channel == "reasoning" and rule.redacts and not rule.shadow:
                if not choice.waiting:
                    choice.redacted.clear()  # the next block covers everything since the last, so one place is enough
                choice.redacted.append((match.start, match.end))
        if choice.waiting and isinstance(stream, Stream) and stream is choice.texts.get("reasoning"):
            yield from self._decided(choice, stream)
        if stream.blocked is not None:
            choice.over = True
            for held in (*choice.texts.values(), *(call.stream for call in choice.calls.values())):
                if held is not None:
                    held.close(natural=False)
            yield Stop(index, "content_filter", self._owner(stream.blocked))

    def _note(self, match: Match, choice: int, channel: str) -> Note:
        rule = self._engines.rule(match.rule)
        return Note(
            self._owner(match.rule), rule.reported, match.rule, choice, channel, offset=match.start, end=match.end
        )

    def _owner(self, rule: str) -> str:
        return self._engines.owner.get(rule.removesuffix(".restore")) or self.name

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _open(self, channel: Channel) -> Stream | JsonStream | None:
        engine = self._engines.channels[channel]
        if engine is None:
            return None
        if channel == "content" and self._begun is not None:
            return deepcopy(self._begun)
        if channel == "content" and self._json:
            return engine.json_stream(self._pseudonyms)
        return engine.stream(self._pseudonyms)

    def _arguments(self, engine: Redactor, event: ToolCall) -> Stream | JsonStream:
        if event.kind == "custom":
            return engine.stream(self._pseudonyms)
        return engine.json_stream(self._pseudonyms)


def _paused(steps: Steps[str]) -> Generator[Verdict, None, str]:
    """Return the result of steps, with pauses of the policy in between."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: str = end.value
            return result
        yield PAUSE


def _is_inline(images: Any) -> bool:
    """Return true if all images contain their data, which is not text and far too long to search."""
    return all(isinstance(i, Mapping) and _url_of(i).startswith("data:image/") for i in images)


def _url_of(image: Mapping[str, Any]) -> str:
    match image.get("image_url"):
        case {"url": str(url)}:
            return url
    return ""


def build(name: str, config: RedactConfig, context: Context) -> Redact:
    """Make the policy of one stream with one configuration."""
    return Redact(name, config.engines([(name, config)]), context)


def build_together(rows: Sequence[tuple[str, RedactConfig]], context: Context) -> Redact:
    """Make the policy of one stream from all redact policies of its chain."""
    return Redact(rows[0][0], rows[0][1].engines(rows), context)


def guards(config: RedactConfig) -> bool:
    """Return true if the config enforces on the answer's text."""
    return config.enforces


def size(config: RedactConfig) -> int:
    """Return the size of the config's rules in nodes."""
    return config.size
