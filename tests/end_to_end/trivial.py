"""Trivial policies, one for each kind of action. They test the gateway's handling of any policy."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from policies.base import Context, Policy, PolicyType, Refuse, Request
from policies.events import End, Event, Finish, Note, Reject, Stop, Text, Tick, Verdict
from proxy.config.models import Strict


class Config(Strict):
    """`after` counts characters of a choice's content. `guards` makes the chain guarded."""

    after: int = 0
    guards: bool = False


@dataclass
class Trivial:
    """Lets all pass."""

    name: str
    config: Config
    context: Context
    deadline: float | None = None

    def request(self, request: Request) -> Request | Refuse:
        return request

    def feed(self, event: Event) -> Iterator[Verdict]:
        yield event


class Upper(Trivial):
    """Says everything in capitals."""

    def feed(self, event: Event) -> Iterator[Verdict]:
        yield Text(event.choice, event.channel, event.text.upper()) if isinstance(event, Text) else event


class Doubled(Trivial):
    """Says every character twice."""

    def feed(self, event: Event) -> Iterator[Verdict]:
        if isinstance(event, Text):
            event = Text(event.choice, event.channel, "".join(each * 2 for each in event.text))
        yield event


class Counted(Trivial):
    """One that acts after `after` characters of a choice."""

    def feed(self, event: Event) -> Iterator[Verdict]:
        self.seen = getattr(self, "seen", {})
        if not isinstance(event, Text) or event.channel != "content":
            yield event
            return
        room = max(0, self.config.after - self.seen.get(event.choice, 0))
        self.seen[event.choice] = self.seen.get(event.choice, 0) + len(event.text)
        if len(event.text) <= room:
            yield event
            return
        if room:
            yield Text(event.choice, "content", event.text[:room])
        yield from self.act(event)

    def act(self, event: Text) -> Iterator[Verdict]:
        raise NotImplementedError


class Stopping(Counted):
    """Stops the choice."""

    def act(self, event: Text) -> Iterator[Verdict]:
        yield Note(self.name, "stop", choice=event.choice)
        yield Stop(event.choice, "length", self.name)


class Raising(Counted):
    """Fails, with the text in its exception."""

    def act(self, event: Text) -> Iterator[Verdict]:
        raise ValueError(f"cannot read {event.text!r}")


class Rejecting(Counted):
    """Calls the answer unusable."""

    def act(self, event: Text) -> Iterator[Verdict]:
        yield Reject(self.name, "the answer is not what was asked for")


class Refusing(Trivial):
    """Rejects a request that says "forbidden", raises on one that says "broken", and adds its name to all others."""

    def request(self, request: Request) -> Request | Refuse:
        said = str(request.body["messages"])
        if "broken" in said:
            raise ValueError(f"cannot read {said!r}")
        if "forbidden" in said:
            return Refuse("That is not for this gateway: ask for something else.", "not_here", 451)
        told: Any = {**request.body, "user": self.name}
        return replace(request, body=told)


class Holding(Trivial):
    """Holds text until 0.1 s have passed without an event, or the choice ends."""

    held = ""

    def feed(self, event: Event) -> Iterator[Verdict]:
        match event:
            case Text(_, "content", text):
                self.held += text
                self.deadline = self.context.clock() + 0.1
                return
            case Tick(now) if self.deadline is not None and now < self.deadline:
                return
            case Tick() | Finish(0, "stop"):
                yield Text(0, "content", f"({self.held})")
                self.held, self.deadline = "", None
            case End():
                self.deadline = None
        if not isinstance(event, Tick):
            yield event


def _kind(made: type[Trivial], stage: int = 1) -> PolicyType:
    def build(id: str, config: Config, context: Context) -> Policy:
        return made(id, config, context)

    return PolicyType(Config, build, stage, lambda config: config.guards)


TRIVIAL = {
    "idle": _kind(Trivial),
    "upper": _kind(Upper),
    "double": _kind(Doubled),
    "stop": _kind(Stopping, stage=2),
    "raise": _kind(Raising),
    "reject": _kind(Rejecting),
    "refuse": _kind(Refusing),
    "hold": _kind(Holding),
}
"""A registry, as `policies.POLICIES` is one."""
