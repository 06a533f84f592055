"""The driver's clock and interruptions: ticks, comments, limits, clients that leave or do not read, cancels, drains.

What an undisturbed answer does is in test_stream.py.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from policies.events import End, Event, Finish, Stop, Text, Tick, Usage, Verdict
from proxy.config.models import Timeouts
from proxy.errors import PolicyFailed
from proxy.formats.base import DecodeError
from proxy.providers.base import OnBatch
from proxy.streaming.interruption import Reason
from tests.end_to_end.wire import until
from tests.proxy.streaming.driving import (
    DIED,
    HELLO,
    LONG,
    NATURAL,
    WHOLE,
    Asked,
    Client,
    Provider,
    Through,
    drive,
    driven,
    ends,
    never,
    text,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("way")]


# ---- time
def holding(run_for: Callable[[], float]) -> Through:
    """A policy that gives its text with the next tick."""
    held: list[Event] = []

    def feed(event: Event) -> Iterator[Verdict]:
        if isinstance(event, Text):
            held.append(event)
            policy.deadline = run_for()
        elif isinstance(event, Tick):
            policy.deadline = None
            yield from held
        else:
            yield event

    policy = Through(feed)
    return policy


async def test_a_policy_gets_its_tick_while_the_provider_is_silent() -> None:
    loop = asyncio.get_running_loop()
    gate = asyncio.Event()
    policy = holding(lambda: loop.time() + 0.02)
    run = await drive(Provider([[text("Hello")], gate, [Finish(0, "stop"), NATURAL]]), Asked(policies=[policy]))
    await until(lambda: run.client.response.text == "Hello")
    assert sum(isinstance(event, Tick) for event in policy.seen) == 1
    gate.set()
    await run.finished()
    assert run.provider.opened == 1


async def test_a_policy_can_stop_the_answer_at_a_tick() -> None:
    loop = asyncio.get_running_loop()

    def feed(event: Event) -> Iterator[Verdict]:
        if isinstance(event, Tick):
            policy.deadline = None
            yield Stop(0, "length", "clock")
        else:
            policy.deadline = loop.time() + 0.02
            yield event

    policy = Through(feed)
    run = await driven([[text("Hel")], never()], Asked(policies=[policy]))
    assert run.client.response.events[-1] == "[DONE]"
    assert run.record.stopped_by == "clock"


async def test_silence_is_told_in_comments_and_the_waiting_goes_on() -> None:
    opening, gate = asyncio.Event(), asyncio.Event()
    run = await drive(Provider([gate, HELLO], opening=opening), Asked(keep_alive=0.02))
    await until(lambda: len(run.client.bodies) >= 2)
    opening.set()
    before = len(run.client.bodies)
    await until(lambda: len(run.client.bodies) >= before + 2)
    gate.set()
    response = await run.finished()
    assert set(run.client.bodies[: before + 2]) == {b": keep-alive\n\n"}
    assert response.text == "Hello" and run.provider.opened == 1
    assert run.record.first_event is not None


async def test_a_failure_after_a_comment_is_an_event_but_may_be_tried_elsewhere() -> None:
    gate = asyncio.Event()
    run = await drive(Provider([gate, DIED]), Asked(keep_alive=0.02))
    await until(lambda: run.client.bodies)
    assert run.record.first_event is None
    gate.set()
    response = await run.finished()
    assert (response.status, response.error["code"]) == (200, "upstream_died")


async def test_no_comment_goes_into_a_whole_answer() -> None:
    gate = asyncio.Event()
    run = await drive(Provider([gate, HELLO]), Asked(stream=False, keep_alive=0.01))
    await asyncio.sleep(0.05)
    assert not run.client.messages
    gate.set()
    assert (await run.finished()).status == 200


LIMITS: list[tuple[Timeouts, Event, str]] = [
    (Timeouts(first_token=0.02), Usage(1, 0), "timeouts.first_token"),
    (Timeouts(idle=0.02), text("Hel"), "timeouts.idle"),
    (Timeouts(total=0.02), text("Hel"), "timeouts.total"),
]


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
@pytest.mark.parametrize(("limits", "said", "named"), LIMITS)
async def test_a_limit_that_passes_ends_the_request(limits: Timeouts, said: Event, named: str, asked: Asked) -> None:
    policy = Through()
    run = await driven([[said], never()], Asked(asked.stream, policies=[policy], limits=limits))
    assert named in run.client.response.error["message"]
    assert (run.record.outcome, run.record.error) == ("timeout", "upstream_timeout")
    assert ends(policy) == ["timeout"]


# ---- clients
async def test_the_provider_is_not_read_while_the_client_does_not_read() -> None:
    client = Client()
    client.reads.clear()
    run = await drive(Provider([[text(word)] for word in "abcdef"]), client=client)
    await until(lambda: run.provider.reads)
    await asyncio.sleep(0.02)
    assert run.provider.reads == 1
    client.reads.set()
    await until(lambda: run.provider.reads == 6)
    run.interruption.fire(Reason.CLIENT_LEFT)
    await run.finished()


@pytest.mark.parametrize("reason", [Reason.CLIENT_LEFT, Reason.CANCELLED, Reason.DRAINED])
@pytest.mark.parametrize("asked", [Asked(), WHOLE])
@pytest.mark.parametrize("where", ["opening", "reading", "writing"])
async def test_an_interruption_closes_the_provider_and_tells_the_client(
    where: str, asked: Asked, reason: Reason
) -> None:
    policy, client = Through(), Client()
    provider = Provider([[text("Hel")], never()], opening=never() if where == "opening" else ())
    if where == "writing":
        provider.said[1:] = [[Finish(0, "stop"), NATURAL]]
        client.reads.clear()
    run = await drive(provider, Asked(asked.stream, policies=[policy]), client)
    await until(lambda: provider.opened if where == "opening" else provider.reads)
    await asyncio.sleep(0.005)
    run.interruption.fire(reason)
    await until(lambda: provider.closed == 1)
    client.reads.set()
    response = await run.finished()
    outcomes = {Reason.CLIENT_LEFT: "client_cancelled", Reason.CANCELLED: "client_cancelled", Reason.DRAINED: "drained"}
    assert run.record.outcome == outcomes[reason]
    if reason is Reason.CLIENT_LEFT:
        assert not response.complete and not client.aborted
    elif reason is Reason.CANCELLED:
        assert response.complete and run.record.status == 200
    else:
        assert response.error["code"] == "shutting_down" and b"[DONE]" not in response.body
    assert provider.closed == 1


async def test_a_cancel_drops_what_a_policy_holds() -> None:
    def feed(event: Event) -> Iterator[Verdict]:
        if isinstance(event, Finish) and event.reason == "stop":
            yield text("the rest of a secret")
        if not (isinstance(event, Text) and event.text == "secr"):
            yield event

    run = await drive(Provider([[text("Hello, ")], [text("secr")], never()]), Asked(policies=[Through(feed)]))
    await until(lambda: run.provider.reads == 2)
    run.interruption.fire(Reason.CANCELLED)
    response = await run.finished()
    assert (response.text, response.events[-1]) == ("Hello, ", "[DONE]")
    assert run.record.finish_reasons == {0: "length"} and run.record.stopped_by == "cancel"


async def test_a_client_that_does_not_read_is_dropped() -> None:
    client = Client(left=100)
    client.reads.clear()
    run = await drive(Provider([[text("Hel")], never()]), Asked(limits=Timeouts(write=0.04)), client)
    await run.finished()
    assert client.aborted and run.provider.closed == 1
    assert (run.record.outcome, run.record.status) == ("client_timeout", None)


async def test_a_client_that_reads_slowly_is_not_dropped() -> None:
    """A write may last as long as the client reads some of it."""
    client = Client(left=1000)
    client.reads.clear()
    run = await drive(Provider([HELLO]), Asked(limits=Timeouts(write=0.06)), client)
    for _ in range(20):
        await asyncio.sleep(0.01)
        client.left -= 10
    assert not client.aborted
    client.reads.set()
    assert (await run.finished()).text == "Hello"


@pytest.mark.parametrize("second", [Reason.CLIENT_LEFT, Reason.DRAINED, Reason.CANCELLED])
async def test_a_client_that_cannot_be_told_of_an_end_is_dropped(second: Reason) -> None:
    """It would wait forever in a response without an end."""
    client, gate = Client(), asyncio.Event()
    run = await drive(Provider([[text("Hel")], gate, DIED]), client=client)
    await until(lambda: client.bodies)
    client.reads.clear()
    gate.set()
    await until(lambda: run.provider.closed)
    run.interruption.fire(second)
    response = await run.finished()
    assert client.aborted and not response.complete
    assert run.record.outcome == "upstream_error"


async def test_the_end_of_a_response_that_was_not_taken_is_told_again_as_a_failure() -> None:
    """The last message was blocked when the limit passed, so the client has not got it."""
    client, gate = Client(), asyncio.Event()
    provider = Provider([[text("Hel")], gate, [NATURAL]])
    run = await drive(provider, Asked(limits=Timeouts(total=0.05)), client)
    await until(lambda: client.bodies)
    client.reads.clear()
    gate.set()
    await until(lambda: run.provider.closed)
    client.reads.set()
    response = await run.finished()
    assert response.complete and response.error["code"] == "upstream_timeout"


async def test_a_cancel_in_a_blocked_write_loses_nothing_of_what_was_to_be_sent() -> None:
    client, gate = Client(), asyncio.Event()
    run = await drive(Provider([[text("Hel")], gate, [text("lo"), Finish(0, "stop")], never()]), client=client)
    await until(lambda: client.bodies)
    client.reads.clear()
    gate.set()
    await until(lambda: run.provider.reads >= 3)
    await asyncio.sleep(0)
    run.interruption.fire(Reason.CANCELLED)
    client.reads.set()
    response = await run.finished()
    assert response.text == "Hello" and response.events[-1] == "[DONE]"
    assert [c["finish_reason"] for e in response.events[:-1] for c in e["choices"]][-1] == "stop"


async def test_a_cancel_ends_all_choices_that_were_asked_for() -> None:
    run = await drive(Provider([[text("Hel", choice=1)], never()]), Asked(choices=3))
    await until(lambda: run.client.bodies)
    run.interruption.fire(Reason.CANCELLED)
    response = await run.finished()
    ended = {c["index"] for e in response.events[:-1] for c in e["choices"] if c["finish_reason"] == "length"}
    assert ended == {0, 1, 2}


async def test_the_servers_own_cancel_goes_on() -> None:
    run = await drive(Provider([[text("Hel")], never()]))
    await until(lambda: run.client.bodies)
    run.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run.finished()
    assert run.provider.closed == 1
    assert run.client.response.error["code"] == "shutting_down"
    assert run.record.outcome == "drained"


async def test_an_interruption_after_the_end_does_nothing() -> None:
    run = await driven([HELLO], Asked(limits=LONG))
    run.interruption.fire(Reason.CANCELLED)
    await asyncio.sleep(0)
    assert run.record.outcome == "completed"


async def test_what_a_client_does_not_take_at_once_waits_for_it_and_keeps_its_order() -> None:
    client, gate, on = Client(), asyncio.Event(), asyncio.Event()
    provider = Provider([[text("a")], [text("b")], gate, [text("c")], on, [text("d")], [Finish(0, "stop"), NATURAL]])
    run = await drive(provider, client=client)
    await until(lambda: client.response.text == "ab")
    client.reads.clear()
    gate.set()
    await until(lambda: provider.reads == 4)
    on.set()
    await asyncio.sleep(0.01)
    assert client.response.text == "ab" and provider.reads == 4
    client.reads.set()
    assert (await run.finished()).text == "abcd"


async def test_the_idle_limit_counts_from_the_batch_heard_last() -> None:
    gates = [asyncio.Event() for _ in range(6)]
    said = [part for gate in gates for part in ([text("a")], gate)]
    run = await drive(Provider([*said, [Finish(0, "stop"), NATURAL]]), Asked(limits=Timeouts(idle=0.2)))
    for gate in gates:
        await asyncio.sleep(0.05)
        gate.set()
    assert (await run.finished()).text == "a" * 6


# ---- a policy that fails in the moment of an interruption
class Keeping(Provider):
    """A failure while a batch arrives is kept for the next read, as a native answer does when its reader is interrupted
    at the same moment.
    """

    failed = False

    async def read(self, on_batch: OnBatch | None = None) -> Sequence[Event | DecodeError]:
        try:
            return await super().read(on_batch)
        except PolicyFailed as failure:
            if self.failed:
                raise
            self.said.insert(0, failure)
            self.failed = True
            await never().wait()
        raise AssertionError


def failing(due: float | None = None) -> Through:
    """Wants a tick in `due` seconds, and fails at the second text."""

    def feed(event: Event) -> list[Verdict]:
        if event == text("bad"):
            raise ValueError
        if due is not None:
            policy.deadline = asyncio.get_running_loop().time() + due
        return [event]

    policy = Through(feed)
    return policy


@pytest.mark.parametrize("asked", [Asked(), WHOLE])
async def test_a_cancel_in_the_moment_in_which_a_policy_failed_asks_the_policies_nothing(asked: Asked) -> None:
    policy, provider = failing(), Keeping([[text("Hello")], [text("bad")]])
    if not Provider.at_once:
        pytest.skip("only as a batch arrives")
    run = await drive(provider, replace(asked, policies=[policy]))
    await until(lambda: provider.failed)
    run.interruption.fire(Reason.CANCELLED)
    response = await run.finished()
    assert (response.error["code"], run.record.outcome) == ("policy_error", "policy_error")
    assert [type(event) for event in policy.seen] == [Text, Text, End] and provider.closed == 1


async def test_a_tick_in_the_moment_in_which_a_policy_failed_is_not_given() -> None:
    policy = failing(0.02)
    provider = Keeping([[text("Hello")], [text("bad")]])
    if not Provider.at_once:
        pytest.skip("only as a batch arrives")
    run = await drive(provider, Asked(policies=[policy]))
    response = await run.finished()
    assert (response.error["code"], run.record.outcome) == ("policy_error", "policy_error")
    assert [type(event) for event in policy.seen] == [Text, Text, End]
