"""A native stream's answer as its bytes arrive: what is taken at once, left, or read later is all of it, once and in
order, whatever interrupts the reader.

The reads are played by hand, so that each order of what can happen in the event loop is had; real sockets are in
test_answer_sockets.py.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.events import End, Event
from proxy.errors import UpstreamError
from proxy.formats import sse
from proxy.formats.base import DecodeError
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.providers.answer import NativeAnswer
from proxy.providers.base import BatchResult, OnBatch
from proxy.providers.http.connection import Connection
from proxy.tasks import spawn
from proxy.turns import Turns
from tests.proxy.providers.calls import call
from tests.proxy.providers.serving import DONE, HEAD, LAST, chunk, said, text_of
from tests.proxy.providers.wires import Wire, cut

pytestmark = pytest.mark.anyio

Batch = Sequence[Event | DecodeError]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


def decoded(stream: bytes) -> list[Event | DecodeError]:
    """Return the result of parser and codec for the whole stream."""
    decoder, parser = OpenAIDecoder(False), sse.Parser()
    records = [*parser.feed(stream), *parser.eof()]
    return [*(event for record in records for event in decoder.decode(*record)), *decoder.eof()]


# ---- by hand
@dataclass
class Heard:
    """An answer, its connection, and what its reader was given; `takes` says what `on_batch` does with a batch."""

    takes: OnBatch = lambda batch: BatchResult.DONE
    got: list[Event | DecodeError] = field(default_factory=list)
    at_once: int = 0
    raised: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.connection = Connection(loop, Turns().turn)
        self.connection.connection_made(Wire())
        self.connection._stage = type(self.connection._stage).ASKED
        self.connection.set_response_params(read_until_eof=True)

    async def begin(self) -> None:
        """The head comes, and the reader begins."""
        self.connection.data_received(HEAD)
        body = self.connection.body
        assert body is not None
        response: Any = SimpleNamespace(release=lambda: None, close=lambda: None)
        asked = call("openai")
        self.answer = NativeAnswer(response, body, OpenAIDecoder(False), asked, Turns(), streamed=True)
        self.task = spawn(self._read())
        await asyncio.sleep(0)

    def hear(self, data: bytes) -> None:
        self.connection.data_received(data)

    async def _read(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while not self.got or not isinstance(self.got[-1], End):
            try:
                self.got += await self.answer.read(self._take)
            except asyncio.CancelledError:
                while task.cancelling():
                    task.uncancel()
            except ValueError as error:
                self.raised.append(error)

    def _take(self, batch: Batch) -> BatchResult:
        if not batch:
            return BatchResult.DONE
        self.at_once += 1
        result = self.takes(batch)
        if result is not BatchResult.LEFT:
            self.got += batch
        ended = result is BatchResult.DONE and isinstance(batch[-1], End)
        return BatchResult.WAKE if ended else result  # who reads on behind the end is told so


def leaving(*choices: str) -> OnBatch:
    """Takes, wakes or leaves, in turns; then it takes."""
    turns = iter(choices)

    def takes(batch: Batch) -> BatchResult:
        return BatchResult(next(turns, "done"))

    return takes


WORDS = ("a", "Hello, ", "ü", "漢字", "😀", "\\n", "\\u00e9", "\\ud83d\\ude00", '\\"', "data: ", "x" * 200)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """An answer's chunks, cut anywhere, and its bytes."""
    events = [said(word) for word in draw(st.lists(st.sampled_from(WORDS), max_size=12))]
    for extra in draw(st.lists(st.sampled_from([b": ping\n\n", b"\n", said("", "null")]), max_size=2)):
        events.insert(draw(st.integers(0, len(events))), extra)
    events += [said("", '"stop"'), DONE]
    if draw(st.booleans()):
        events = [event.replace(b"\n\n", b"\r\n\r\n") for event in events]
    stream = b"".join(events)
    ends = [len(b"".join(events[:place])) for place in range(1, len(events))]
    at = draw(st.just(ends) | st.lists(st.sampled_from(ends) | st.integers(0, len(stream)), max_size=20))
    return cut(stream, at), stream


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_all_of_an_answer_comes_once_and_in_order_whatever_interrupts_its_reader(data: st.DataObject) -> None:
    """Data that arrives between a cancel and the task's next step is the difficult case."""
    chunks, stream = data.draw(streams())
    choices = data.draw(st.lists(st.sampled_from(["done", "done", "left", "wake"]), max_size=20))
    whole = b"".join(map(chunk, chunks)) + LAST
    reads = [*map(chunk, chunks), LAST]
    if data.draw(st.booleans()):
        reads = cut(whole, data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    steps = data.draw(st.lists(st.sampled_from(["cancel", "turn", ""]), min_size=len(reads), max_size=3 * len(reads)))

    async def play() -> Heard:
        heard = Heard(leaving(*choices))
        await heard.begin()
        for place, read in enumerate(reads):
            for step in steps[place :: len(reads)]:
                if step == "cancel":
                    heard.task.cancel()
                elif step == "turn":
                    await asyncio.sleep(0)
            heard.hear(read)
        async with asyncio.timeout(5):
            await heard.task
        return heard

    heard = asyncio.run(play())
    assert heard.got == decoded(stream)


async def test_every_chunk_is_taken_at_once_while_its_reader_sleeps() -> None:
    heard = Heard()
    await heard.begin()
    for word in WORDS:
        heard.hear(chunk(said(word)))
    assert heard.at_once == len(WORDS) and heard.got == decoded(b"".join(map(said, WORDS)))[: len(WORDS)]
    heard.hear(chunk(DONE))
    heard.hear(LAST)
    async with asyncio.timeout(5):
        await heard.task


@pytest.mark.parametrize("cancelled", [False, True])
async def test_what_the_taker_raises_is_the_readers_and_what_follows_is_not_lost(cancelled: bool) -> None:
    def takes(batch: Batch) -> BatchResult:
        if text_of(batch) == "b":
            raise ValueError("b")
        return BatchResult.DONE

    heard = Heard(takes)
    await heard.begin()
    heard.hear(chunk(said("a")))
    if cancelled:
        heard.task.cancel()
    for word in "bcd":
        heard.hear(chunk(said(word)))
    assert heard.at_once == 2
    heard.hear(chunk(DONE) + LAST)
    async with asyncio.timeout(5):
        await heard.task
    assert [str(error) for error in heard.raised] == ["b"]
    assert text_of(heard.got) == "acd"


async def test_what_was_left_to_a_cancelled_reader_is_told_to_one_that_takes_nothing_at_once() -> None:
    heard = Heard(lambda batch: BatchResult.LEFT)
    await heard.begin()
    heard.task.cancel()
    heard.answer, answer = SimpleNamespace(read=asyncio.Event().wait), heard.answer  # type: ignore[assignment]
    heard.hear(chunk(said("a")))
    heard.hear(chunk(said("b")))
    await asyncio.sleep(0)
    assert text_of(await answer.read()) == "a" and text_of(await answer.read()) == "b"
    heard.task.cancel()


async def test_what_was_left_to_a_cancelled_reader_comes_before_what_arrives_next() -> None:
    heard = Heard(leaving("left", "done"))
    await heard.begin()
    heard.task.cancel()
    heard.hear(chunk(said("a")))
    for _ in range(3):
        await asyncio.sleep(0)
    heard.hear(chunk(said("b")))
    assert text_of(heard.got) == "ab"
    heard.got.append(End("natural"))
    heard.task.cancel()


async def test_nothing_is_taken_when_nobody_waits_any_more() -> None:
    heard = Heard()
    await heard.begin()
    heard.got.append(End("natural"))  # the reader's last
    heard.task.cancel()
    await asyncio.wait({heard.task})
    heard.hear(chunk(said("a")))
    assert heard.at_once == 0 and text_of(await heard.answer.read()) == "a"


async def test_what_follows_a_read_of_several_chunks_is_taken_at_once_again() -> None:
    heard = Heard()
    await heard.begin()
    heard.hear(chunk(said("a")) + chunk(said("b")))
    for _ in range(3):
        await asyncio.sleep(0)
    heard.hear(chunk(said("c")))
    assert heard.at_once == 1 and text_of(heard.got) == "abc"
    heard.got.append(End("natural"))
    heard.task.cancel()


@pytest.mark.parametrize("gone", [False, True])
async def test_an_end_that_came_while_nobody_waited_is_seen_by_the_next_reader(gone: bool) -> None:
    heard = Heard()
    await heard.begin()
    heard.got.append(End("natural"))
    heard.task.cancel()
    await asyncio.wait({heard.task})
    if gone:
        heard.connection.connection_lost(ConnectionResetError("gone"))
    else:
        heard.hear(LAST)
    with pytest.raises(UpstreamError):
        async with asyncio.timeout(5):
            await heard.answer.read(lambda batch: BatchResult.DONE)


async def test_a_fault_within_the_answer_is_told_without_the_key() -> None:
    heard = Heard(lambda batch: BatchResult.LEFT)
    await heard.begin()
    heard.hear(chunk(b'data: {"error":{"message":"bad key sk-secret-0123456789abcdef","code":401}}\n\n'))
    await asyncio.sleep(0)
    [fault] = heard.got
    heard.got.append(End("natural"))
    heard.task.cancel()
    assert isinstance(fault, DecodeError) and fault.error is not None and "sk-secret" not in fault.error.message
