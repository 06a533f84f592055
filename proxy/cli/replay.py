"""Send an answer through a real chain, piece by piece, and record what arrives, what leaves, and when.

The chain is the gateway's own. This module only feeds and watches it, as the gateway's driver does. After the last
choice ends for the client, the rest is not read, because the gateway would close the provider's connection.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from policies.chain import Chain, Rejected
from policies.events import Event, Finish, Note, Text, ToolCall

MAX_RANDOM = 12


@dataclass(slots=True)
class TextTrace:
    """One text of the answer on its way.

    `arrived` gives the step at which each character of `came` arrived. `left` gives the step at which each character of
    `went` left.
    """

    came: str = ""
    went: str = ""
    arrived: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def come(self, text: str, step: int) -> None:
        """Add text from the provider."""
        self.came += text
        self.arrived += [step] * len(text)

    def go(self, text: str, step: int) -> None:
        """Add text to the client."""
        self.went += text
        self.left += [step] * len(text)


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of text and its effect.

    `came` arrived in the text called `name`, and `went` left to the client in that text. `held` is the number of
    characters held afterwards. `came` is empty at the answer's end.
    """

    name: str
    came: str
    went: str
    held: int


@dataclass(slots=True)
class Played:
    """The result of an answer.

    `courses` are its texts by name: `content`, `reasoning`, `refusal`, `tool 0`, and those of further choices with
    their number. `rejected` is the reason if a policy rejected the attempt. `unread` counts the pieces after the end.
    """

    courses: dict[str, TextTrace] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    finishes: list[Finish] = field(default_factory=list)
    rejected: str | None = None
    unread: int = 0

    @property
    def most_held(self) -> int:
        """The largest number of characters held after any step."""
        return max((step.held for step in self.steps), default=0)


def play(chain: Chain, events: Sequence[Event]) -> Played:
    """Feed an answer's events to a chain, up to the event that ends it for the client."""
    played = Played(notes=chain.notes)
    choices = {event.choice for event in events if isinstance(event, Text | ToolCall | Finish)}
    for number, event in enumerate(events):
        name, came = _text(event)
        if name:
            played.courses.setdefault(name, TextTrace()).come(came, number)
        try:
            out = chain.feed(event)
        except Rejected as rejection:
            played.rejected = str(rejection)
            break
        _went(played, out, number)
        over = choices <= chain.finished.keys()
        if name or any(_text(e)[1] for e in out):
            here = "".join(text for e in out for whose, text in [_text(e)] if whose == name or not name)
            played.steps.append(Step(name, came, here, 0 if over else chain.held()))
        if over:
            played.unread = sum(bool(_text(e)[1]) for e in events[number + 1 :])
            break
    return played


def cut(events: Iterable[Event], sizes: Iterator[int]) -> Iterator[Event]:
    """Yield the same events, with their texts cut into pieces of the given sizes."""
    for event in events:
        text = _text(event)[1]
        if len(text) < 2:
            yield event
        for at, piece in _pieces(text, sizes) if len(text) > 1 else ():
            if isinstance(event, Text):
                yield Text(event.choice, event.channel, piece)
            elif isinstance(event, ToolCall):
                opening = event if at == 0 else ToolCall(event.choice, event.index, kind=event.kind)
                yield replace(opening, arguments=piece)


def even(size: int) -> Iterator[int]:
    """Yield one size forever."""
    while True:
        yield size


def uneven() -> Iterator[int]:
    """Yield random sizes."""
    while True:
        yield random.randint(1, MAX_RANDOM)


def _pieces(text: str, sizes: Iterator[int]) -> Iterator[tuple[int, str]]:
    at = 0
    while at < len(text):
        size = next(sizes)
        yield at, text[at : at + size]
        at += size


def _went(played: Played, events: Sequence[Event], step: int) -> None:
    for event in events:
        name, text = _text(event)
        if name:
            played.courses.setdefault(name, TextTrace()).go(text, step)
        elif isinstance(event, Finish):
            played.finishes.append(event)


def _text(event: Event) -> tuple[str, str]:
    """Return the name and the piece of an event's text, or two empty strings if it has none."""
    match event:
        case Text(choice, channel, text):
            return _of_choice(channel, choice), text
        case ToolCall(choice, index, arguments=arguments):
            return _of_choice(f"tool {index}", choice), arguments
    return "", ""


def _of_choice(name: str, choice: int) -> str:
    return f"{name} of choice {choice}" if choice else name
