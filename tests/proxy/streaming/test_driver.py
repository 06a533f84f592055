"""The driver between a provider that says batches of events and a client that takes ASGI messages.

That real connections close is asserted in tests/end_to_end; here is what the client is told, what policies see, and
what is recorded.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from policies.events import End, Event, Finish, Note, Opaque, Pause, Reject, Stop, Text, ToolCall, Usage, Verdict
from proxy import turns
from proxy.errors import UpstreamError
from proxy.formats.base import DecodeError
from proxy.streaming.folding import CALL_SLICE, SLICE
from proxy.streaming.interruption import Reason
from proxy.streaming.prelude import MAX_BYTES, MAX_EVENTS
from tests.end_to_end.wire import until
from tests.proxy.streaming.driving import (
    DIED,
    HELLO,
    NATURAL,
    WHOLE,
    Asked,
    Client,
    Provider,
    Said,
    Through,
    drive,
    driven,
    ends,
    never,
    text,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("way")]

WORDS = "the secret words of a message"
"""Text that an exception may quote and that must not be shown."""


def raising(at: type[Event]) -> Through:
    """A policy that fails when it sees such an event."""

    def feed(event: Event) -> Iterable[Verdict]:
        if isinstance(event, at):
            raise ValueError(WORDS)
        return [event]

    return Through(feed)


def stopping(after: int) -> Through:
    """A policy that stops each choice at its `after`th piece of text."""
    counts: dict[int, int] = {}

    def feed(event: Event) -> Iterator[Verdict]:
        yield event
        if isinstance(event, Text):
            counts[event.choice] = counts.get(event.choice, 0) + 1
            if counts[event.choice] == after:
                yield Stop(event.choice, "length", "cap")

    return Through(feed)


# ---- answers
async def test_a_stream_is_sent_and_ended() -> None:
    policy = Through()
    run = await driven([[text("Hel")], [text("lo"), Finish(0, "stop")], [NATURAL]], Asked(policies=[policy]))
    response = run.client.response
    assert (response.status, response.text, response.events[-1]) == (200, "Hello", "[DONE]")
    assert response.headers["x-id"] == "1" and response.complete
    assert policy.seen == [text("Hel"), text("lo"), Finish(0, "stop"), NATURAL]


async def test_a_whole_answer_is_joined_and_sent_once() -> None:
    run = await driven([[text("Hel")], [text("lo"), Finish(0, "stop")], [NATURAL]], WHOLE)
    assert run.client.response.json["choices"][0]["message"]["content"] == "Hello"
    assert len(run.client.bodies) == 1


async def test_events_that_came_together_go_out_in_one_message() -> None:
    run = await driven([[text("a"), text("b"), text("c")], [text("d"), text("e")], [Finish(0, "stop"), NATURAL]])
    assert len(run.client.bodies) == 4  # with the [DONE]
    assert run.client.response.text == "abcde"


async def test_the_record_tells_how_it_went() -> None:
    usage = Usage(3, 2)
    note = Note("through", "seen")
    policy = Through(lambda event: [event, note] if isinstance(event, Finish) else [event])
    run = await driven([[text("Hi")], [Finish(0, "stop"), usage, NATURAL]], Asked(policies=[policy]))
    record = run.record
    assert (record.outcome, record.status, record.error, record.attempts) == ("completed", 200, None, 1)
    assert (record.usage, record.provider_id, record.notes) == (usage, "provider-1", [note])
    assert (record.finish_reasons, record.stopped_by) == ({0: "stop"}, None)
    assert record.bytes == sum(map(len, run.client.bodies))
    assert record.first_event is not None and 0 < record.first_event <= record.duration


async def test_choices_that_the_provider_left_open_end_as_stop() -> None:
    run = await driven([[text("a", 0), text("b", 1), Finish(1, "length")], [NATURAL]], Asked(choices=2))
    assert run.record.finish_reasons == {0: "stop", 1: "length"}


async def test_an_empty_answer_is_a_failure() -> None:
    run = await driven([[Usage(3, 0)], [NATURAL]])
    assert (run.client.response.status, run.client.response.error["code"]) == (502, "empty_answer")


async def test_a_long_tool_call_is_folded_in_slices() -> None:
    policy = Through()
    call = ToolCall(0, 0, "id", "f", "x" * (2 * CALL_SLICE + 1), extra={"a": 1})
    run = await driven([[call], [Finish(0, "tool_calls"), NATURAL]], Asked(policies=[policy]))
    first, *rest = [event for event in policy.seen if isinstance(event, ToolCall)]
    assert (first.id, first.name, first.extra) == ("id", "f", {"a": 1})
    assert [(piece.id, piece.name, len(piece.arguments)) for piece in rest] == [
        (None, None, CALL_SLICE),
        (None, None, 1),
    ]
    sent = [chunk["choices"][0]["delta"] for chunk in run.client.response.events[:-1]]
    calls = [call for delta in sent for call in delta.get("tool_calls", [])]
    assert "".join(call["function"]["arguments"] for call in calls) == "x" * (2 * CALL_SLICE + 1)


def slow(event: Event) -> list[Event]:
    """A policy's work that takes longer than a slice of the event loop's time."""
    until = time.perf_counter() + 2 * turns.SLICE
    while time.perf_counter() < until:
        pass
    return [event]


async def counting(counted: list[None]) -> None:
    """Another stream: counts its turns."""
    while True:
        counted.append(None)
        await asyncio.sleep(0)


async def test_a_long_text_is_folded_in_slices_and_others_get_their_turn() -> None:
    policy = Through(slow)
    words = "x" * (10 * SLICE + 1)
    counted: list[None] = []
    provider = Provider([[text(words)], [Finish(0, "stop"), NATURAL]])
    run = await drive(provider, Asked(policies=[policy]))
    task = asyncio.get_running_loop().create_task(counting(counted))
    await run.finished()
    task.cancel()
    pieces = [event.text for event in policy.seen if isinstance(event, Text)]
    assert "".join(pieces) == words and len(pieces) == 11
    assert len(counted) >= 10
    assert run.client.response.text == words


@pytest.mark.parametrize("told", [True, False])
async def test_a_long_check_at_the_end_of_a_choice_pauses_and_others_get_their_turn(told: bool) -> None:
    def checking(event: Event) -> Iterator[Verdict]:
        for _ in range(10 if isinstance(event, Finish) else 0):
            slow(event)
            yield Pause()
        yield event

    counted: list[None] = []
    provider = Provider([[text("Hi"), *([Finish(0, "stop")] if told else []), NATURAL]])
    run = await drive(provider, Asked(policies=[Through(checking)]))
    task = asyncio.get_running_loop().create_task(counting(counted))
    await run.finished()
    task.cancel()
    assert len(counted) >= 10
    assert run.client.response.text == "Hi"


async def test_much_that_a_policy_releases_at_the_end_goes_out_in_several_messages() -> None:
    def releasing(event: Event) -> Iterator[Verdict]:
        for number in range(1000 if isinstance(event, Finish) else 0):
            yield text(f"{number} ")
            if number % 100 == 99:
                slow(event)
                yield Pause()
        yield event

    run = await driven([[text("")], [Finish(0, "stop"), NATURAL]], Asked(policies=[Through(releasing)]))
    assert len(run.client.bodies) > 5
    assert run.client.response.text == "".join(f"{number} " for number in range(1000))


# ---- before the first event
async def test_nothing_is_sent_before_there_is_substance() -> None:
    gate = asyncio.Event()
    run = await drive(Provider([[Usage(1, 0)], [text("")], gate, HELLO]))
    await until(lambda: run.provider.reads == 2)
    assert not run.client.messages
    gate.set()
    assert (await run.finished()).text == "Hello"


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
@pytest.mark.parametrize("before", [[], [[Usage(1, 0)]], [[text("")]]])
async def test_a_failure_before_the_first_event_is_a_status(before: list[Any], asked: Asked) -> None:
    policy = Through()
    run = await driven([*before, DIED], Asked(asked.stream, policies=[policy]))
    response = run.client.response
    assert (response.status, response.error["code"]) == (502, "upstream_died")
    assert "x-should-retry" not in response.headers  # the gateway has not tried again, so the SDK may
    assert (run.record.outcome, run.record.error, run.record.status) == ("upstream_error", "upstream_died", 502)
    assert ends(policy) == ["death"]


async def test_an_opening_that_fails_is_a_status() -> None:
    run = await drive(Provider([], opening=UpstreamError("No.", status=429, provider_status=429, retry_after=7)))
    response = await run.finished()
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert run.record.provider_status == 429


async def test_a_whole_answer_that_dies_half_way_is_a_status() -> None:
    run = await driven([[text("Hel")], DIED], WHOLE)
    assert run.client.response.status == 502 and "Hel" not in run.client.response.body.decode()


@pytest.mark.parametrize(
    ("member", "most"),
    [(1, MAX_EVENTS), ("x" * (MAX_BYTES // 8), 8), ("x" * 10_000_000, 1)],
    ids=["many", "large", "one"],
)
async def test_events_without_substance_are_not_kept_without_bound(member: Any, most: int) -> None:
    unknown = Opaque(0, "delta", {"x": member})
    said: list[Said] = [[unknown]] * (most + 1)
    run = await drive(Provider([*said, never()]))
    await until(lambda: run.client.messages)
    assert run.client.response.status == 200
    run.interruption.fire(Reason.CLIENT_LEFT)
    await run.finished()


# ---- failures after the first event
async def test_a_failure_after_the_first_event_is_an_error_event_and_no_done() -> None:
    run = await driven([[text("Hel")], DIED])
    response = run.client.response
    assert (response.status, response.text, response.error["code"]) == (200, "Hel", "upstream_died")
    assert response.complete and b"[DONE]" not in response.body
    assert (run.record.outcome, run.record.status) == ("upstream_error", 200)


async def test_what_came_before_an_error_of_the_provider_is_sent_first() -> None:
    run = await driven([[text("Hel")], [text("lo"), DecodeError("overloaded", 529, "overloaded_error")]])
    response = run.client.response
    assert (response.text, response.error["code"]) == ("Hello", "overloaded_error")
    assert b"[DONE]" not in response.body


async def test_an_error_of_the_provider_before_anything_was_sent_is_a_status() -> None:
    error = UpstreamError("overloaded", status=503, code="overloaded_error")
    run = await driven([[text("Hel"), DecodeError("overloaded", 529, "overloaded_error", error=error)]])
    assert (run.client.response.status, run.client.response.error["code"]) == (503, "overloaded_error")


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
async def test_a_failure_of_ours_tells_nothing_of_it(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    run = await driven([ValueError(WORDS)], asked)
    response = run.client.response
    assert (response.status, response.error["code"]) == (500, "internal_error")
    assert run.record.outcome == "failed"
    assert "ValueError" in caplog.text and "secret" not in caplog.text + response.body.decode()


# ---- policies
async def test_a_policy_that_raises_before_the_first_event_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    run = await driven([HELLO], Asked(policies=[raising(Text)]))
    response = run.client.response
    assert (response.status, response.error["code"]) == (500, "policy_error")
    assert run.record.outcome == "policy_error"
    assert "ValueError" in caplog.text and "secret" not in caplog.text + response.body.decode()


async def test_a_policy_that_raises_after_it_stops_the_answer() -> None:
    run = await driven([[text("Hel")], [Finish(0, "stop"), NATURAL]], Asked(policies=[raising(Finish)]))
    response = run.client.response
    assert (response.text, response.error["code"]) == ("Hel", "policy_error")
    assert b"[DONE]" not in response.body


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
async def test_a_policy_that_raises_at_a_cancel_fails_closed(asked: Asked) -> None:
    run = await drive(Provider([[text("Hel")], never()]), Asked(asked.stream, policies=[raising(Finish)]))
    await until(lambda: run.provider.reads == 1)
    run.interruption.fire(Reason.CANCELLED)
    response = await run.finished()
    assert response.error["code"] == "policy_error" and b"[DONE]" not in response.body
    assert run.record.outcome == "policy_error" and run.provider.closed == 1


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
async def test_a_policy_that_rejects_at_a_cancel_fails_closed(asked: Asked) -> None:
    policy = Through(lambda event: [Reject("guard", "no JSON")] if isinstance(event, Finish) else [event])
    run = await drive(Provider([[text("Hel")], never()]), Asked(asked.stream, policies=[policy]))
    await until(lambda: run.provider.reads == 1)
    run.interruption.fire(Reason.CANCELLED)
    response = await run.finished()
    assert response.error["code"] == "rejected" and b"[DONE]" not in response.body
    assert run.record.outcome == "upstream_error" and run.provider.closed == 1


async def test_a_policy_that_raises_at_an_end_by_death_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    run = await driven([[text("Hel")], DIED], Asked(policies=[raising(End)]))
    assert run.client.response.error["code"] == "upstream_died"
    assert run.record.outcome == "upstream_error" and "ValueError" in caplog.text


async def test_a_policy_that_rejects_the_answer_is_a_failure() -> None:
    policy = Through(lambda event: [Reject("guard", "no JSON")] if isinstance(event, Finish) else [])
    run = await driven([HELLO], Asked(policies=[policy]))
    assert (run.client.response.status, run.client.response.error["code"]) == (502, "rejected")


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
async def test_a_policy_that_stops_the_answer_closes_the_provider_first(asked: Asked) -> None:
    """A client that reads nothing must not keep the provider running."""
    client, gate = Client(), asyncio.Event()
    provider = Provider([[text("a")], gate, [text("b")], never()])
    run = await drive(provider, Asked(asked.stream, policies=[stopping(2)]), client)
    await until(lambda: provider.reads == 1)
    gate.set()
    client.reads.clear()
    await until(lambda: provider.closed)
    assert not run.task.done()
    client.reads.set()
    response = await run.finished()
    assert response.complete
    assert (run.record.outcome, run.record.stopped_by) == ("policy_stopped", "cap")
    if asked.stream:
        assert (response.text, response.events[-1]) == ("ab", "[DONE]")
        assert response.events[-2]["x_sluice"] == {"stopped_by": "cap"}
    else:
        assert response.headers["x-sluice-stopped-by"] == "cap"


async def test_an_answer_goes_on_until_its_last_choice_is_stopped() -> None:
    said: list[Said] = [[text("a", 0), text("b", 0)], [text("c", 0), text("d", 1)], [text("e", 1)], never()]
    run = await driven(said, Asked(choices=2, policies=[stopping(2)]))
    assert run.provider.reads == 3
    assert run.client.response.text == "abde"


async def test_what_a_policy_would_still_say_at_a_death_is_not_sent() -> None:
    policy = Through(lambda event: [text("held secret"), event] if isinstance(event, End) else [event])
    run = await driven([[text("Hel")], DIED], Asked(policies=[policy]))
    assert run.client.response.text == "Hel"
