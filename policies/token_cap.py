"""`token_cap`: ends a choice when its answer has so many tokens, or thoughts, or chunks, or seconds.

Decisions:
- The answer's text is content, refusal and the arguments of tool calls: all that a client reads or runs. They share the
  room, in the order of their pieces, and each is a text of its own, however often others come between: redaction lets
  the end of one go only at the choice's end. Names and ids do not count.
- The cut is after the Nth token of the text that the client gets (this stage stands behind redaction), by the tokenizer
  of the context, rounded down to a whole character, the same for every chunking (`token_meter`). A tool call may end in
  the middle of its JSON, as it does at a provider's own limit; `length` tells.
- Thoughts (`max_reasoning_tokens`) are those that can be seen. Hidden ones only the provider's limit can stop.
- A chunk (`max_chunks`) is a piece of text as it comes here; of a long one the driver makes several.
- Seconds count from when the request was ready for the provider. They end every choice.
- Held text is let go at the provider's `length` too: it is behind redaction, so it is no half secret, and the lowered
  limit makes that the usual end of a long answer. A block, a cancel and a failure drop it.
- `flag` tells and changes nothing: no limit is lowered, nothing is held.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

from policies.base import Context, PolicyType, Refuse, Request
from policies.events import NATURAL_REASONS, Event, Finish, Note, Stop, Text, Tick, ToolCall, Verdict
from policies.limits import REASONING_ALLOWANCE, client_limit, lowered, reasons, thinking_budget
from policies.numbers import Amount, Count
from policies.token_meter import Meter

Piece: TypeAlias = Text | ToolCall

_RELEASING = NATURAL_REASONS | {"length"}


class TokenCapConfig(BaseModel):
    """The YAML of a `token_cap`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    max_tokens: Count | None = None
    max_reasoning_tokens: Count | None = None
    max_chunks: Count | None = None
    max_seconds: Amount | None = None
    on_exceed: Literal["stop", "flag"] = "stop"

    @model_validator(mode="after")
    def _limits_something(self) -> "TokenCapConfig":
        if (self.max_tokens, self.max_reasoning_tokens, self.max_chunks, self.max_seconds) == (None,) * 4:
            raise ValueError("limits nothing: give max_tokens, max_reasoning_tokens, max_chunks or max_seconds")
        return self


@dataclass(slots=True)
class _Choice:
    """One choice so far. `meters` are those of its texts that have a cap. `answer` and `thought` are the newest pieces
    of the answer and of the thoughts that run; thoughts pause where the answer goes on. `over`: it has ended, or its
    cap has been flagged."""

    meters: dict[str | int, Meter] = field(default_factory=dict)
    answer: Piece | None = None
    thought: Piece | None = None
    chunks: int = 0
    over: bool = False

    def meter(self, piece: Piece) -> Meter | None:
        return self.meters.get(_text_of(piece))


class TokenCap:
    """See the module's header."""

    wants_usage = False

    def __init__(self, name: str, config: TokenCapConfig, context: Context) -> None:
        self.name = name
        self.deadline = None if config.max_seconds is None else context.clock() + config.max_seconds
        self._config = config
        self._context = context
        self._stops = config.on_exceed == "stop"
        self._choices: dict[int, _Choice] = {}
        self._running: tuple[Text, _Choice, Meter] | None = None  # the text whose next piece need only be metered

    @property
    def held(self) -> int:
        """See `Chain.held`."""
        if not self._stops:
            return 0
        return sum(meter.held for choice in self._choices.values() for meter in choice.meters.values())

    def request(self, request: Request) -> Request | Refuse:
        """Lower the provider's limit: to the cap, or to the cap and room for thoughts."""
        most, target = self._config.max_tokens, self._context.target
        if most is None or not self._stops or not request.limited:
            return request
        if reasons(request.body, target):
            if client_limit(request.body) is None and target.max_output is None:
                return request  # nobody knows what the model takes: a limit could be one that it refuses
            allowance = self._config.max_reasoning_tokens or REASONING_ALLOWANCE
            most += max(allowance, thinking_budget(request.body))
        return replace(request, body=lowered(request.body, target, most))

    def feed(self, event: Event) -> Iterable[Verdict]:
        """See `Policy.feed`."""
        if self.deadline is not None and self._now(event) >= self.deadline:
            self.deadline = None
            return [*self._all_over(), *self._fed(event)]
        if self._running is not None and type(event) is Text:  # the same text goes on: else 13 to 18 % more work
            last, state, meter = self._running
            text = event.text
            if event.channel == last.channel and event.choice == last.choice and text:
                out = meter.feed(text)
                return (event,) if out is text else self._counted(state, event, meter, out)
        return self._fed(event)

    def _fed(self, event: Event) -> Iterable[Verdict]:
        match event:
            case Text():
                return self._piece(event, event.text)
            case ToolCall():
                return self._piece(event, event.arguments)
            case Finish():
                return self._finish(event)
        return (event,)

    def _now(self, event: Event) -> float:
        return event.now if isinstance(event, Tick) else self._context.clock()

    def _choice(self, index: int) -> _Choice:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice()
        return found

    # ---- a piece of text
    def _piece(self, piece: Piece, text: str) -> Iterable[Verdict]:
        self._running = None
        state = self._choice(piece.choice)
        if state.over:
            return () if self._stops else (piece,)
        if not text:
            return (piece,)
        state.chunks += 1
        if self._config.max_chunks is not None and state.chunks > self._config.max_chunks:
            return self._too_many(state, piece)
        if isinstance(piece, Text) and piece.channel == "reasoning":
            if state.thought is None:
                self._run(state, piece, None)
            state.thought = piece
            return self._metered(state, piece, text)
        last = state.answer
        if state.thought is not None or last is None or _text_of(last) != _text_of(piece):
            return self._turned(state, piece, text)
        state.answer = piece
        return self._metered(state, piece, text)

    def _too_many(self, state: _Choice, piece: Piece) -> Iterator[Verdict]:
        yield from self._close(state)
        if not state.over:
            yield from self._exceeded(piece.choice, state, "max_chunks")
        if not self._stops:
            yield piece

    def _turned(self, state: _Choice, piece: Piece, text: str) -> Iterator[Verdict]:
        """The answer goes on behind thoughts, or in another text."""
        last = state.answer
        yield from self._pause(state, state.thought)
        state.thought = None
        if last is None or _text_of(last) != _text_of(piece):
            yield from self._pause(state, last)
            self._run(state, piece, last)
        if not state.over or not self._stops:
            state.answer = piece
            yield from self._metered(state, piece, text)

    def _run(self, state: _Choice, piece: Piece, last: Piece | None) -> None:
        """The text of `piece` begins or goes on; of its kind `last` ran before it."""
        most = self._config.max_reasoning_tokens if _rule(piece) == "max_reasoning_tokens" else self._config.max_tokens
        if most is None or state.over:
            return
        meter, before = state.meter(piece), None if last is None else state.meter(last)
        if meter is None:
            meter = state.meters[_text_of(piece)] = Meter(most, self._context.tokenizer)
        meter.resume(meter.left if before is None else before.left)

    def _metered(self, state: _Choice, piece: Piece, text: str) -> Iterable[Verdict]:
        meter = state.meter(piece)
        if meter is None or state.over:
            return (piece,)
        if isinstance(piece, Text) and self._config.max_chunks is None:
            self._running = piece, state, meter
        return self._counted(state, piece, meter, meter.feed(text))

    def _counted(self, state: _Choice, piece: Piece, meter: Meter, out: str) -> Iterable[Verdict]:
        """Return what goes on of a piece when the meter gives `out`."""
        if meter.over:
            self._running = None
        if not self._stops:
            return [*self._exceeded(piece.choice, state, _rule(piece)), piece] if meter.over else (piece,)
        if not meter.over:
            return _shortened(piece, out)
        return [*_shortened(piece, out), *self._exceeded(piece.choice, state, _rule(piece))]

    def _pause(self, state: _Choice, last: Piece | None, *, finally_: bool = False) -> Iterator[Verdict]:
        """A text pauses, or is over: let go what was held of it."""
        meter = None if last is None else state.meter(last)
        if last is None or meter is None or state.over:
            return
        out = meter.finish() if finally_ else meter.pause()
        if out and self._stops:
            yield _rest(last, out)
        if meter.over:
            yield from self._exceeded(last.choice, state, _rule(last))

    def _close(self, state: _Choice) -> Iterator[Verdict]:
        """No text of the choice goes on."""
        yield from self._pause(state, state.thought, finally_=True)
        yield from self._pause(state, state.answer, finally_=True)

    # ---- ends
    def _finish(self, event: Finish) -> Iterable[Verdict]:
        self._running = None
        state = self._choice(event.choice)
        if state.over:
            return () if self._stops else (event,)
        released: list[Verdict] = []
        if event.by is None and event.reason in _RELEASING:
            released += self._close(state)
            if state.over and self._stops:
                return released
        state.over = True
        return [*released, event]

    def _exceeded(self, choice: int, state: _Choice, rule: str) -> Iterator[Verdict]:
        state.over = True
        yield Note(self.name, self._config.on_exceed, rule, choice)
        if self._stops:
            yield Stop(choice, "length", self.name, self._config.max_tokens if rule == "max_tokens" else None)

    def _all_over(self) -> Iterator[Verdict]:
        self._running = None
        for choice in sorted({*range(self._context.choices), *self._choices}):
            state = self._choice(choice)
            if not state.over:
                yield from self._exceeded(choice, state, "max_seconds")


def _text_of(piece: Piece) -> str | int:
    """Return the text of its choice that a piece belongs to: a channel, or a tool call's index."""
    return piece.channel if isinstance(piece, Text) else piece.index


def _rule(piece: Piece) -> str:
    return "max_reasoning_tokens" if isinstance(piece, Text) and piece.channel == "reasoning" else "max_tokens"


def _shortened(piece: Piece, text: str) -> tuple[Piece, ...]:
    """The piece with what may go on of its text; nothing if that leaves nothing to say."""
    if text == (piece.text if isinstance(piece, Text) else piece.arguments):
        return (piece,)
    if isinstance(piece, Text):
        return (Text(piece.choice, piece.channel, text),) if text else ()
    opens = piece.id is not None or piece.name is not None or piece.extra is not None
    return (replace(piece, arguments=text),) if text or opens else ()


def _rest(last: Piece, text: str) -> Piece:
    """A further piece of the text that `last` belongs to."""
    if isinstance(last, Text):
        return Text(last.choice, last.channel, text)
    return ToolCall(last.choice, last.index, arguments=text, kind=last.kind)


TOKEN_CAP = PolicyType(
    config=TokenCapConfig, build=TokenCap, stage=80, guards=lambda config: False, needs_tokenizer=True
)
