"""Count the work of a chunk: bytecode instructions of our own code for a fixed stream.

A stream that costs 5 % more or less than its committed figure fails. If it costs less, commit the new figure. Counts
differ between versions of Python. The figures are those of 3.11.
"""

import asyncio
import functools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from policies import POLICIES
from policies.base import Context
from proxy.access.bodies import Bodies
from proxy.accounting import tokenizers
from proxy.accounting.record import Record
from proxy.config.chains import make_chain
from proxy.config.load import parse
from proxy.config.models import Config
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import Decoder
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.formats.openai_chat.decode import OpenAIDecoder
from proxy.formats.openai_chat.encode import ChunkEncoder
from proxy.providers.answer import NativeAnswer
from proxy.providers.base import Answer, Call
from proxy.providers.http.connection import Connection
from proxy.streaming.deadlines import Deadlines
from proxy.streaming.driver import Driver
from proxy.streaming.ending import Ending
from proxy.streaming.execution import Execution, PreparedAttempt
from proxy.streaming.observer import Unobserved
from proxy.streaming.response import Downstream, Message
from proxy.streaming.sinks import StreamSink
from proxy.turns import Turns
from tests.instructions import Instructions
from tests.proxy.providers.calls import call
from tests.proxy.providers.wires import Wire
from tests.proxy.streaming.driving import LONG, only_route, seen

CHUNKS = 400
WORDS = ("The ", "quick ", "brown ", "fox ", "jumps ", "over ", "the ", "lazy ", "dog, ", "while ", "it ", "rains. ")
TEXTS = [WORDS[number % len(WORDS)] for number in range(CHUNKS)]

EVERYTHING = """
default_policies: [redact/all, token_cap/long]
policies:
  redact/all: {rules: [{name: pii, entity: pii}, {name: secrets, entity: secrets}, {name: w, words: [alpha, beta]}]}
  token_cap/long: {max_tokens: 100000}
"""

FIGURES = {
    ("openai", ""): 528,
    ("openai", EVERYTHING): 882,
    ("anthropic", EVERYTHING): 911,
    ("gemini", EVERYTHING): 1241,
}
"""Instructions a chunk."""

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the figures are those of Python 3.11"),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def openai_events() -> Iterator[dict[str, Any]]:
    for text in TEXTS:
        choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
        yield {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    yield {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def anthropic_events() -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {"id": "c", "model": "m", "usage": {"input_tokens": 1}}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for text in TEXTS:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}


def gemini_events() -> Iterator[dict[str, Any]]:
    for number, text in enumerate(TEXTS):
        content = {"parts": [{"text": text}], "role": "model"}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": number, "totalTokenCount": number + 1}
        yield {"candidates": [{"content": content, "index": 0}], "usageMetadata": usage, "modelVersion": "m"}
    yield {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}]}


FORMATS: dict[str, tuple[Any, type[Decoder]]] = {
    "openai": (openai_events, OpenAIDecoder),
    "anthropic": (anthropic_events, AnthropicDecoder),
    "gemini": (gemini_events, GeminiDecoder),
}


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Recorded:
    """A provider whose response has one event a read, each as soon as the previous one was taken."""

    keeps_body: ClassVar[bool] = False
    name: str
    reads: Iterator[bytes] = field(default_factory=lambda: iter(()))

    async def open(self, asked: Call) -> Answer:
        events, decoder = FORMATS[self.name]
        reads = [b"data: %b\n\n" % json.dumps(event).encode() for event in events()]
        reads += [b"data: [DONE]\n\n"] if self.name == "openai" else []
        self.reads = iter(reads)
        loop = asyncio.get_running_loop()
        connection = Connection(loop, Turns().turn)
        connection.connection_made(Wire())
        connection.start_timeout()
        connection.set_response_params(read_until_eof=True)
        connection.data_received(HEAD)
        body = connection.body
        assert body is not None
        response = SimpleNamespace(content_type="text/event-stream", release=lambda: None, close=lambda: None)
        loop.call_soon(self._play, connection, loop)
        return NativeAnswer(response, body, decoder(asked.guarded), asked, Turns(), streamed=True)

    def _play(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        if connection.short is not None:
            read = next(self.reads, None)
            if read is None:
                connection.data_received(b"0\r\n\r\n")
                return
            connection.data_received(b"%x\r\n%b\r\n" % (len(read), read))
        loop.call_soon(self._play, connection, loop)

    async def aclose(self) -> None:
        return None


class Taker:
    """A client that takes everything at once."""

    def write(self, data: bytes) -> bool:
        return True

    def abort(self) -> None:
        raise AssertionError

    def unread(self) -> int:
        return 0

    async def send(self, message: Message) -> None:
        return None


async def served(name: str, config: Config) -> Record:
    """One stream through driver, decoder, chain and encoder."""
    clock = asyncio.get_running_loop().time
    context = Context("m", clock, tokenizer=functools.partial(tokenizers.load, "o200k_base"))
    record = Record("chatcmpl-1", "m", True)
    made = make_chain(config.default_policies, config.policies, POLICIES, context)

    def prepare(place: Any, spent: float) -> PreparedAttempt:
        sink = StreamSink(ChunkEncoder("chatcmpl-1", 0, "m", include_usage=False))
        asked = call(name, stream=True)
        return PreparedAttempt(place, seen(made, asked), made, context, sink, Recorded(name))

    lease = Bodies(2**30, 2**30).lease("test")
    execution = Execution(True, 1, only_route(), prepare, record, Unobserved(), Turns(), {}, lease)
    deadlines, taker = Deadlines(LONG, 60), Taker()
    scope = {"extensions": {"sluice.connection": taker}}
    ending = Ending(record)
    ending.owns(deadlines.close)
    await Driver(execution, Downstream(scope, taker.send, [], deadlines), deadlines, ending).run()
    ending.finish()
    return record


@pytest.mark.parametrize(("name", "policies"), FIGURES, ids=lambda value: "everything" if "\n" in value else value)
async def test_a_chunk_is_as_much_work_as_it_was(name: str, policies: str) -> None:
    config = parse("providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m}}\n" + policies, environ={})
    await served(name, config)  # what is made once: patterns compiled, states of automata
    with Instructions("proxy", "policies") as run:
        record = await served(name, config)
    assert record.outcome == "completed"
    figure = run.count / CHUNKS
    assert figure == pytest.approx(FIGURES[name, policies], rel=0.05), f"now {figure:.0f} instructions a chunk"
