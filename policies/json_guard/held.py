"""`on_invalid: retry`: hold the whole answer until it is checked.

A rejected attempt can be repeated only while the client has none of it. All events except usage and ticks are therefore
held, for all choices. When every requested choice has finished, or the answer has ended by itself, all are released in
order.

- An attempt is rejected at the first character after which its content cannot become valid, or when a choice that ended
  by itself does not fit the schema.
- The content of a cut choice (with the finish `length`, for example) cannot be checked and is dropped.
- A choice that ended in tool calls or a refusal has no answer to check.
- At an unnatural end of the stream, everything is dropped. After a cancel, only the finished choices are kept.
- With tools in the request, prose may come before a call, so content is checked at its finish only.

The check of a whole answer, and the release of held events, pause (`Pause`) about every millisecond. An attempt whose
check exceeds its budget is rejected, because unchecked content must not pass.

The caller that makes attempts uses `attempts`. A policy sees one attempt.
"""

from collections.abc import Generator, Iterable
from typing import Final

from policies.base import Context, Refuse, Request
from policies.events import (
    NATURAL_REASONS,
    Attachment,
    End,
    Event,
    Finish,
    Note,
    Opaque,
    Pause,
    Reject,
    Text,
    Tick,
    ToolCall,
    Usage,
    Verdict,
)
from policies.json_guard.answer import AT_ONCE, Answer
from policies.json_guard.settings import Ask, JsonGuardConfig, asked, refusal
from policies.json_guard.survey import SchemaError
from policies.json_guard.whole import Whole
from policies.steps import Steps

MAX_HELD = 1_000_000
"""Maximum number of characters (and events) of an answer that are held, including structure. A longer answer is
rejected.
"""

_RELEASED_AT_ONCE: Final = 100
"""Number of events released before others may run."""


class HeldJsonGuard:
    """The guard of one attempt."""

    deadline: float | None = None
    wants_usage = False

    def __init__(self, name: str, config: JsonGuardConfig, context: Context) -> None:
        self.name = name
        self.attempts = config.attempts
        self._strip = config.strip_fence
        self._applies = config.applies(context)
        self._choices = context.choices
        self._context = context
        self._ask = Ask()
        self._whole = Whole(None)
        self._held: list[Event] = []
        self._contents: dict[int, list[str]] = {}
        self._size = 0
        self._characters = 0
        self._released = False
        self._answers: dict[int, Answer] = {}
        self._excused: set[int] = set()
        self._finished: set[int] = set()
        self._cut: set[int] = set()

    @property
    def held(self) -> int:
        """Count held characters: see `Chain.held`."""
        return self._characters

    def request(self, request: Request) -> Steps[Request | Refuse]:
        if not self._applies:
            return request
        try:
            self._ask = yield from asked(request.body, self._context, whole=True)
        except SchemaError as error:
            return refusal(error)
        self._whole = Whole(self._ask.schema)
        return request

    def feed(self, event: Event) -> Iterable[Verdict]:
        if not self._applies or self._released or isinstance(event, Usage | Tick):
            return (event,)
        match event:
            case End():
                return self._end(event)
            case Finish():
                return self._finish(event)
            case Text(_, "content"):
                return self._content(event)
            case ToolCall(choice) | Text(choice, "refusal"):
                self._excused.add(choice)
        return self._hold(event)

    def _content(self, event: Text) -> Iterable[Verdict]:
        if event.choice in self._finished:
            return ()
        answer = self._answer(event.choice)
        if len(event.text) <= AT_ONCE:
            return self._judged(event.choice, answer, *answer.feed(event.text))
        return self._long_content(event, answer)

    def _long_content(self, event: Text, answer: Answer) -> Iterable[Verdict]:
        good, bad = yield from answer.steps(event.text)
        yield from self._judged(event.choice, answer, good, bad)

    def _judged(self, choice: int, answer: Answer, good: str, bad: str) -> Iterable[Verdict]:
        if answer.broken and not self._ask.tools:
            return self._reject("the answer is not JSON that fits", choice, answer.offset)
        self._contents.setdefault(choice, []).append(good + bad)
        return self._hold(Text(choice, "content", good + bad))

    def _finish(self, event: Finish) -> Iterable[Verdict]:
        choice = event.choice
        if choice in self._finished:
            return
        fault = yield from self._fault(event)
        self._finished.add(choice)
        if fault is not None:
            yield from self._reject(fault, choice, None)
            return
        yield from self._hold(event)
        if len(self._finished) >= self._choices:
            yield from self._release()

    def _fault(self, finish: Finish) -> Generator[Pause, None, str | None]:
        """Find the fault of a finished choice."""
        if finish.reason not in NATURAL_REASONS:
            self._cut.add(finish.choice)
            return None
        answer = self._answer(finish.choice)
        if (answer.empty or finish.reason != "stop") and finish.choice in self._excused:
            return None
        if not answer.finish()[0]:
            return "the answer is not a whole JSON text that fits"
        steps = self._whole.fault("".join(self._contents.pop(finish.choice, ())))
        while True:
            try:
                next(steps)
            except StopIteration as end:
                fault: str | None = end.value
                return fault
            yield Pause()

    def _end(self, event: End) -> Iterable[Verdict]:
        if event.kind == "cancel":  # the client is still there: choices that finished before end properly
            self._held = [e for e in self._held if getattr(e, "choice", None) in self._finished]
        if event.kind in ("natural", "cancel"):
            yield from self._release()
        self._drop()
        yield event

    def _hold(self, event: Event) -> Iterable[Verdict]:
        """Hold an event. Reject the attempt if there are too many."""
        last = self._held[-1] if self._held else None
        size = 0
        if isinstance(event, Text):
            size = len(event.text)
            if not size and isinstance(last, Text) and (last.choice, last.channel) == (event.choice, event.channel):
                return ()
        elif isinstance(event, ToolCall):
            size = len(event.arguments)
        self._held.append(event)
        self._characters += size
        self._size += 1 + size + (0 if type(event) is Text else _structure(event))
        if self._size > MAX_HELD:
            return self._reject(f"the answer is longer than the {MAX_HELD} characters that are held", None, None)
        return ()

    def _release(self) -> Iterable[Verdict]:
        held, self._held = self._held, []
        self._characters = 0
        self._released = True
        self._ask, self._whole = Ask(), Whole(None)
        self._answers.clear()
        for choice in sorted(self._cut):
            yield Note(self.name, "dropped", "cut", choice, "content")
        for number, event in enumerate(held, 1):
            if not (isinstance(event, Text) and event.channel == "content" and event.choice in self._cut):
                yield event
            if not number % _RELEASED_AT_ONCE:
                yield Pause()

    def _reject(self, message: str, choice: int | None, offset: int | None) -> Iterable[Verdict]:
        self._drop()
        yield Note(self.name, "rejected", "invalid", choice, "content", offset=offset)
        yield Reject(self.name, message, self.attempts)

    def _drop(self) -> None:
        self._held.clear()
        self._contents.clear()
        self._characters = 0

    def _answer(self, choice: int) -> Answer:
        if choice not in self._answers:
            self._answers[choice] = Answer(self._ask.schema, self._strip)
        return self._answers[choice]


def _structure(event: Event) -> int:
    """Estimate the size of an event's structure in characters, without its text."""
    match event:
        case ToolCall():
            return len(repr((event.id, event.name, event.extra)))
        case Attachment():
            return len(repr(event.value))
        case Opaque():
            return len(repr(event.fields))
    return 0
