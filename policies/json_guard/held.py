"""`on_invalid: retry`: nothing of the answer goes on until all of it was checked.

Rules. A rejected attempt can be repeated only while the client has nothing of it. So all events but usage and ticks are
held, of all choices, until every choice asked for has finished, or the answer ends by itself; then all go on in
their order. An attempt is rejected at the first character after which its content can no longer be right, or when a
choice that ended by itself does not fit the whole schema. The content of a choice that was cut (its finish is
`length`, say) cannot be judged and is dropped; a choice that ended in tool calls, or refused, has no answer to judge.
At an unnatural end of the stream all is dropped but, when somebody cancelled it, the choices that had finished. With
tools in the request, prose may come before a call: then content is judged at its finish only.

`attempts` is for the one who makes them: a policy sees one attempt.
"""

from collections.abc import Iterable
from typing import TypeGuard

from policies.base import Context, Refuse, Request
from policies.events import NATURAL_REASONS, End, Event, Finish, Note, Reject, Text, Tick, ToolCall, Usage, Verdict
from policies.json_guard.answer import Answer
from policies.json_guard.schema import SchemaError
from policies.json_guard.settings import Ask, JsonGuardConfig, asked, refusal
from policies.json_guard.whole import Whole

MOST_HELD = 1_000_000
"""How many characters (and events) of an answer are held; a longer one is rejected."""


class HeldJsonGuard:
    """The guard of one attempt."""

    deadline: float | None = None
    heeds_usage = False

    def __init__(self, name: str, config: JsonGuardConfig, context: Context) -> None:
        self.name = name
        self.attempts = config.attempts
        self._strip = config.strip_fence
        self._applies = config.applies(context)
        self._choices = context.choices
        self._ask = Ask()
        self._whole = Whole(None)
        self._held: list[Event] = []
        self._size = 0
        self._answers: dict[int, Answer] = {}
        self._excused: set[int] = set()
        self._finished: set[int] = set()
        self._cut: set[int] = set()

    @property
    def held(self) -> int:
        """See `Chain.held`."""
        texts = [e.text for e in self._held if isinstance(e, Text)]
        return sum(map(len, [*texts, *(e.arguments for e in self._held if isinstance(e, ToolCall))]))

    def request(self, request: Request) -> Request | Refuse:
        if not self._applies:
            return request
        try:
            self._ask = asked(request.body)
            self._whole = Whole(self._ask.schema)
        except SchemaError as error:
            return refusal(error)
        return request

    def feed(self, event: Event) -> Iterable[Verdict]:
        if not self._applies or isinstance(event, Usage | Tick):
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
        choice = event.choice
        if choice in self._finished:
            return ()
        answer = self._answer(choice)
        good, bad = answer.feed(event.text)
        if answer.broken and not self._ask.tools:
            return self._reject("the answer is not JSON that fits", choice, answer.offset)
        return self._hold(Text(choice, "content", good + bad))

    def _finish(self, event: Finish) -> Iterable[Verdict]:
        choice = event.choice
        if choice in self._finished:
            return ()
        self._finished.add(choice)
        fault = self._fault(event)
        if fault is not None:
            return self._reject(fault, choice, None)
        rejected = self._hold(event)
        if rejected or len(self._finished) < self._choices:
            return rejected
        return self._release()

    def _fault(self, finish: Finish) -> str | None:
        """What is wrong with a choice that finished."""
        if finish.reason not in NATURAL_REASONS:
            self._cut.add(finish.choice)
            return None
        answer = self._answer(finish.choice)
        if (answer.empty or finish.reason != "stop") and finish.choice in self._excused:
            return None
        if not answer.finish()[0]:
            return "the answer is not a whole JSON text that fits"
        return self._whole.fault("".join(e.text for e in self._held if _is_content(e, finish.choice)))

    def _end(self, event: End) -> Iterable[Verdict]:
        if event.kind == "cancel":  # the client is still there: what was judged or cut before ends as it should
            self._held = [e for e in self._held if getattr(e, "choice", None) in self._finished]
        if event.kind in ("natural", "cancel"):
            yield from self._release()
        self._held.clear()
        yield event

    def _hold(self, event: Event) -> Iterable[Verdict]:
        """Hold an event; when all were released already it goes on, when they are too many the attempt is rejected."""
        last = self._held[-1] if self._held else None
        if isinstance(event, Text):
            self._size += len(event.text)
            if (
                isinstance(last, Text)
                and (last.choice, last.channel) == (event.choice, event.channel)
                and not event.text
            ):
                return ()
        elif isinstance(event, ToolCall):
            self._size += len(event.arguments)
        self._size += 1
        self._held.append(event)
        if self._size > MOST_HELD:
            return self._reject(f"the answer is longer than the {MOST_HELD} characters that are held", None, None)
        return ()

    def _release(self) -> Iterable[Verdict]:
        held, self._held = self._held, []
        for choice in sorted(self._cut):
            yield Note(self.name, "dropped", "cut", choice, "content")
        for event in held:
            if not any(_is_content(event, choice) for choice in self._cut):
                yield event
        self._cut.clear()

    def _reject(self, message: str, choice: int | None, offset: int | None) -> Iterable[Verdict]:
        self._held.clear()
        yield Note(self.name, "rejected", "invalid", choice, "content", offset=offset)
        yield Reject(self.name, message, self.attempts)

    def _answer(self, choice: int) -> Answer:
        if choice not in self._answers:
            self._answers[choice] = Answer(self._ask.schema, self._strip)
        return self._answers[choice]


def _is_content(event: Event, choice: int) -> TypeGuard[Text]:
    return isinstance(event, Text) and event.channel == "content" and event.choice == choice
