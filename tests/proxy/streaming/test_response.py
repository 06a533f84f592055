"""The client's side of a request: data sent, its time, and the record."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.config.models import Timeouts
from proxy.errors import GatewayError
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.interruption import Reason
from proxy.streaming.response import CONNECTION, KEEP_ALIVE, Downstream
from tests.end_to_end.wire import until
from tests.proxy.streaming.driving import LONG, Client

pytestmark = pytest.mark.anyio

FAILURE = GatewayError("Failed.", status=503, code="overloaded", retry_after=7)
EVENT = b"data: {}\n\n"


@pytest.fixture
def client() -> Client:
    return Client()


def downstream(client: Client, limits: Timeouts = LONG) -> Downstream:
    """In the task that runs."""
    return Downstream({"extensions": {CONNECTION: client}}, client.send, [(b"x-id", b"1")], Deadlines(limits, 60))


async def test_nothing_is_sent_before_the_first_event(client: Client) -> None:
    down = downstream(client)
    assert not client.messages
    assert (down.status, down.committed, down.complete, down.bytes) == (None, False, False, 0)


async def test_a_streams_head_comes_with_its_first_event(client: Client) -> None:
    down = downstream(client)
    await down.event(EVENT)
    await down.event(EVENT)
    assert (down.status, down.committed, down.complete, down.bytes) == (200, True, False, 2 * len(EVENT))
    await down.end(b"data: [DONE]\n\n")
    assert down.complete and client.response.complete
    headers = client.response.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (headers["cache-control"], headers["x-accel-buffering"], headers["x-id"]) == ("no-cache", "no", "1")


async def test_a_comment_starts_the_stream_and_commits_to_nothing(client: Client) -> None:
    down = downstream(client)
    await down.keep_alive()
    assert client.bodies == [KEEP_ALIVE]
    assert (down.status, down.committed) == (200, False)


async def test_a_whole_response_tells_its_length(client: Client) -> None:
    down = downstream(client)
    await down.whole(200, [b'{"a":"', bytearray("é".encode()), b'"}'], [(b"x-more", b"2")])
    response = client.response
    assert len(client.bodies) == 1
    assert response.json == {"a": "é"} and response.complete
    assert response.headers["content-length"] == str(len(response.body))
    assert (response.headers["x-id"], response.headers["x-more"]) == ("1", "2")


@pytest.mark.parametrize("retried", [True, False])
async def test_an_error_before_the_head_is_a_status(client: Client, retried: bool) -> None:
    await downstream(client).error(FAILURE, EVENT, retried=retried)
    response = client.response
    assert (response.status, response.error["code"]) == (503, "overloaded")
    assert response.headers["retry-after"] == "7"
    assert response.headers.get("x-should-retry") == ("false" if retried else None)


@pytest.mark.parametrize("begin", [Downstream.keep_alive, lambda down: down.event(b"data: 1\n\n")])
async def test_an_error_after_the_head_is_an_event_and_the_end(
    client: Client, begin: Callable[[Downstream], Awaitable[None]]
) -> None:
    down = downstream(client)
    await begin(down)
    await down.error(FAILURE, EVENT, retried=True)
    assert client.bodies[-1] == EVENT and client.response.complete


async def test_an_error_after_the_end_is_not_told(client: Client) -> None:
    down = downstream(client)
    await down.end()
    await down.error(FAILURE, EVENT, retried=True)
    assert client.bodies == []


async def interrupted(down: Callable[[Deadlines], Downstream], limits: Timeouts) -> tuple[Reason | None, Downstream]:
    """Return the deadlines that interrupt an event that the client does not take."""
    deadlines = Deadlines(limits, 60)
    made = down(deadlines)
    try:
        await made.event(EVENT)
    except asyncio.CancelledError:
        return deadlines.interruption.claim(), made
    finally:
        deadlines.close()
    return None, made


async def test_a_head_that_is_not_taken_runs_under_the_write_limit_and_was_not_sent(client: Client) -> None:
    client.reads.clear()

    def make(deadlines: Deadlines) -> Downstream:
        return Downstream({}, client.send, [], deadlines)

    reason, down = await interrupted(make, Timeouts(write=0.02))
    assert reason is Reason.WRITE
    assert (down.status, down.complete, down.bytes) == (None, False, 0)


async def test_an_event_that_is_taken_in_time_stops_the_limit(client: Client) -> None:
    down = downstream(client, Timeouts(write=0.02))
    await down.event(EVENT)
    await asyncio.sleep(0.05)
    await down.event(EVENT)
    assert len(client.bodies) == 2


async def test_a_connection_is_dropped_where_the_server_can(client: Client) -> None:
    downstream(client).abort()
    assert client.aborted
    Downstream({}, client.send, [], Deadlines(LONG, 60)).abort()
    await until(lambda: client.aborted)
