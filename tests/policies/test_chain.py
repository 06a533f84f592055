"""A chain sends events through its policies, and passes nothing of a choice after its finish."""

from collections.abc import Iterable

import pytest

from policies.base import Refuse, Request
from policies.chain import MAX_NOTES, Chain, Rejected
from policies.events import End, Event, Finish, Note, Opaque, Pause, Reject, Stop, Text, Tick, Usage, Verdict
from policies.steps import Steps, finished


class Upper:
    """Shouts, and notes it."""

    name = "upper/test"
    deadline: float | None = None

    def request(self, request: Request) -> Request | Refuse:
        return Request({**request.body, "loud": True})

    def feed(self, event: Event) -> Iterable[Verdict]:
        if not isinstance(event, Text):
            return (event,)
        return (Note(self.name, "shout", choice=event.choice), Text(event.choice, event.channel, event.text.upper()))


class StopAfter:
    """Ends a choice when its text reaches a length."""

    name = "stop/test"

    def __init__(self, length: int, deadline: float | None = None) -> None:
        self.left: dict[int, int] = {}
        self.length = length
        self.deadline = deadline

    def request(self, request: Request) -> Request | Refuse:
        return Refuse("too much", "too_much") if "forbidden" in request.body else request

    def feed(self, event: Event) -> Iterable[Verdict]:
        if not isinstance(event, Text):
            yield event
            return
        left = self.left.get(event.choice, self.length)
        yield Text(event.choice, event.channel, event.text[:left])
        self.left[event.choice] = left - len(event.text)
        if left <= len(event.text):
            yield Stop(event.choice, "length", self.name)


def test_an_empty_chain_passes_every_event_unchanged() -> None:
    events: list[Event] = [
        Opaque(None, "chunk", {"a": 1}),
        Text(0, "content", "hi"),
        Usage(1, 2),
        Tick(0.0),
        Finish(0, "stop"),
        End("natural"),
    ]
    chain = Chain()
    assert [out for event in events for out in chain.feed(event)] == events


def test_policies_act_in_order_and_their_notes_are_kept_apart() -> None:
    chain = Chain([Upper(), StopAfter(10)])
    assert chain.feed(Text(0, "content", "abc")) == [Text(0, "content", "ABC")]
    assert chain.notes == [Note("upper/test", "shout", choice=0)]


def test_a_stop_finishes_its_choice_once_and_silences_it() -> None:
    chain = Chain([StopAfter(3)])
    assert chain.feed(Text(0, "content", "abcd")) == [Text(0, "content", "abc"), Finish(0, "length", "stop/test")]
    assert chain.feed(Text(0, "content", "more")) == []
    assert chain.feed(Finish(0, "stop")) == []
    assert chain.feed(Opaque(0, "delta", {"copy": "more"})) == []
    assert chain.stopped == {0: "stop/test"}


def test_a_stop_ends_its_own_choice_alone() -> None:
    chain = Chain([StopAfter(3)])
    chain.feed(Text(0, "content", "abcd"))
    assert chain.feed(Text(1, "content", "ab")) == [Text(1, "content", "ab")]
    assert chain.feed(Finish(1, "stop")) == [Finish(1, "stop")]
    assert chain.finished == {0: "length", 1: "stop"}


def test_stages_behind_a_stop_see_the_choice_finish() -> None:
    seen: list[Event] = []

    class Watch(Upper):
        def feed(self, event: Event) -> Iterable[Verdict]:
            seen.append(event)
            return (event,)

    Chain([StopAfter(2), Watch()]).feed(Text(0, "content", "abc"))
    assert seen == [Text(0, "content", "ab"), Finish(0, "length", "stop/test")]


def test_nothing_of_a_choice_passes_behind_the_providers_own_finish() -> None:
    chain = Chain()
    chain.feed(Finish(0, "stop"))
    assert chain.feed(Text(0, "content", "late")) == []
    assert chain.feed(Finish(0, "length")) == []


def test_a_rejected_attempt_is_raised() -> None:
    class Picky(Upper):
        def feed(self, event: Event) -> Iterable[Verdict]:
            return (Reject("picky/test", "not JSON"),)

    with pytest.raises(Rejected, match="picky/test: not JSON"):
        Chain([Picky()]).feed(Text(0, "content", "x"))


def test_a_request_passes_each_policy_until_one_refuses() -> None:
    chain = Chain([Upper(), StopAfter(1)])
    assert finished(chain.request(Request({"a": 1}))) == Request({"a": 1, "loud": True})
    assert finished(chain.request(Request({"forbidden": 1}))) == Refuse("too much", "too_much")


class Careful(Upper):
    """Takes its time with a request: three steps."""

    def request(self, request: Request) -> Steps[Request | Refuse]:  # type: ignore[override]
        for _ in range(3):
            yield
        return Request({**request.body, "seen": [*request.body.get("seen", ()), "careful"]})


def test_a_policy_may_see_a_request_in_steps() -> None:
    chain = Chain([Careful(), Upper(), Careful()])
    assert len(list(chain.request(Request({})))) == 6
    assert finished(chain.request(Request({}))) == Request({"loud": True, "seen": ["careful", "careful"]})
    refused = finished(Chain([Careful(), StopAfter(1)]).request(Request({"forbidden": 1})))
    assert refused == Refuse("too much", "too_much")


def test_the_chains_deadline_is_the_earliest_of_its_policies() -> None:
    assert Chain([Upper()]).deadline() is None
    assert Chain([StopAfter(1, 9.0), Upper(), StopAfter(1, 4.0)]).deadline() == 4.0


class Slow:
    """Sends a text one character at a time, with pauses."""

    name = "slow/test"
    deadline: float | None = None

    def __init__(self) -> None:
        self.taken = 0

    def request(self, request: Request) -> Request | Refuse:
        return request

    def feed(self, event: Event) -> Iterable[Verdict]:
        if not isinstance(event, Text):
            yield event
            return
        for char in event.text:
            self.taken += 1
            yield Text(event.choice, event.channel, char)
            yield Pause()


def test_slices_are_worked_out_one_by_one_as_they_are_taken() -> None:
    slow = Slow()
    chain = Chain([slow, Upper(), StopAfter(2)])
    steps = chain.slices(Text(0, "content", "abc"))
    assert next(steps) == [Text(0, "content", "A")] and slow.taken == 1
    assert next(steps) == [] and slow.taken == 1
    rest = [event for step in steps for event in step]
    whole = Chain([Slow(), Upper(), StopAfter(2)]).feed(Text(0, "content", "abc"))
    assert [Text(0, "content", "A"), *rest] == whole and slow.taken == 3
    assert len(chain.notes) == 3


def test_pauses_reach_no_one_through_feed() -> None:
    assert Chain([Slow()]).feed(Text(0, "content", "ab")) == [Text(0, "content", "a"), Text(0, "content", "b")]


class Holder(Upper):
    """Holds three characters of everything."""

    held = 3


def test_what_a_chain_holds_is_what_its_policies_say_that_they_hold() -> None:
    assert Chain([Upper(), StopAfter(1)]).held() == 0
    assert Chain([Holder(), Upper(), Holder()]).held() == 6


def test_notes_without_end_are_counted_and_not_kept_one_by_one() -> None:
    chain = Chain([Upper()])
    for _ in range(3 * MAX_NOTES):
        chain.feed(Text(0, "content", "a"))
        assert len(chain.notes) <= MAX_NOTES
    assert sum(note.count for note in chain.notes) == 3 * MAX_NOTES
    assert {(note.policy, note.action) for note in chain.notes} == {("upper/test", "shout")}
