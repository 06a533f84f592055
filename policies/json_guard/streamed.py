"""`on_invalid: stop` and `flag`: pass the answer on while it is checked.

Each choice's content is checked separately. Other channels, tool calls and structure pass unchanged. At the first
character after which the content cannot become valid, `stop` sends the valid part before it and ends the choice with
`content_filter`, because a policy cut the answer. OpenAI's SDK then raises instead of parsing half a document. With
`length`, clients would retry with a higher limit. `flag` adds a note and sends everything.

An answer that ends by itself before its JSON is complete gets a note. Content that is cut at an unnatural end is not
checked. Only the first characters of a possible Markdown fence are held. A schema, or part of one, that is not followed
is noted as `unchecked`.

Limitation: with tools in the request, a model's words before a call are content too, and prose is not JSON, so `stop`
cuts it.
"""

from collections.abc import Iterable

from policies.base import Context, Refuse, Request
from policies.events import NATURAL_REASONS, Event, Finish, Note, Stop, Text, ToolCall, Verdict
from policies.json_guard.answer import AT_ONCE, Answer
from policies.json_guard.settings import Ask, JsonGuardConfig, asked, refusal
from policies.json_guard.survey import SchemaError
from policies.steps import Steps


class JsonGuard:
    """The guard of one stream."""

    deadline: float | None = None
    wants_usage = False

    def __init__(self, name: str, config: JsonGuardConfig, context: Context) -> None:
        self.name = name
        self._stops = config.on_invalid == "stop"
        self._strip = config.strip_fence
        self._applies = config.applies(context)
        self._context = context
        self._ask = Ask()
        self._unusable = False
        self._answers: dict[int, Answer] = {}
        self._excused: set[int] = set()
        self._over: set[int] = set()

    def request(self, request: Request) -> Steps[Request | Refuse]:
        if not self._applies:
            return request
        try:
            self._ask = yield from asked(request.body, self._context, whole=False)
        except SchemaError as error:
            if self._stops:
                return refusal(error)
            self._unusable = True
        return request

    def feed(self, event: Event) -> Iterable[Verdict]:
        if not self._applies:
            return (event,)
        match event:
            case Text(_, "content"):
                return self._content(event)
            case Finish():
                return self._finish(event)
            case ToolCall(choice) | Text(choice, "refusal"):
                self._excused.add(choice)
        return (event,)

    def _content(self, event: Text) -> Iterable[Verdict]:
        choice = event.choice
        if choice in self._over:
            return
        answer = self._answer(choice)
        known = answer.broken
        if len(event.text) > AT_ONCE:
            good, bad = yield from answer.steps(event.text)
        else:
            good, bad = answer.feed(event.text)
        passed = good if self._stops else good + bad
        if passed or not event.text:
            yield Text(choice, "content", passed)
        if answer.broken and not known:
            action = "stopped" if self._stops else "flagged"
            yield Note(self.name, action, "invalid", choice, "content", offset=answer.offset)
            if self._stops:
                self._over.add(choice)
                yield Stop(choice, "content_filter", self.name)

    def _finish(self, event: Finish) -> Iterable[Verdict]:
        choice = event.choice
        if choice in self._over:
            return
        self._over.add(choice)
        yield from self._judge(event)
        if self._unusable:
            self._unusable = False
            yield Note(self.name, "unchecked", "schema")
        yield event

    def _judge(self, finish: Finish) -> Iterable[Verdict]:
        """Add a note if the choice ended by itself and its content is incomplete."""
        choice = finish.choice
        answer = self._answer(choice)
        whole, held = answer.finish()
        if held and not self._stops:
            yield Text(choice, "content", held)
        if answer.unwatched:
            yield Note(self.name, "unchecked", "cost", choice, "content")
        excused = answer.empty and choice in self._excused
        if finish.reason in NATURAL_REASONS and not (whole or answer.broken or excused):
            yield Note(self.name, "flagged", "incomplete", choice, "content")

    def _answer(self, choice: int) -> Answer:
        if choice not in self._answers:
            self._answers[choice] = Answer(self._ask.schema, self._strip)
        return self._answers[choice]
