"""A decoder's work is linear and its memory limited, whatever a provider sends.

Work is counted in instructions, not in time. It may double for twice as much of the same input.
"""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy.formats import sse
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import DecodeError, Decoder
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.formats.openai_chat.decode import OpenAIDecoder
from tests.instructions import Instructions

Events = Callable[[int], Iterator[Any]]
DECODERS: dict[str, Callable[[bool], Decoder]] = {
    "openai": OpenAIDecoder,
    "anthropic": AnthropicDecoder,
    "gemini": GeminiDecoder,
}


def delta(index: int = 0, **members: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": index, "delta": members}]}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", **members}}


def counts(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {}, "usage": usage}


def part(index: int = 0, **members: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [members]}, "index": index}]}


def grounded(n: int) -> dict[str, Any]:
    supports = [{"segment": {"endIndex": at}, "groundingChunkIndices": [0]} for at in range(1, n)]
    sources = [{"web": {"uri": "https://a.example/", "title": "A"}}]
    return {"candidates": [{"groundingMetadata": {"groundingChunks": sources, "groundingSupports": supports}}]}


GROWING: dict[str, tuple[str, Events]] = {
    "calls": ("openai", lambda n: (delta(tool_calls=[{"index": k % 128, "id": f"c{k}"}]) for k in range(n))),
    "calls without an index": ("openai", lambda n: (delta(tool_calls=[{"id": f"c{k % 100}"}]) for k in range(n))),
    "choices": ("openai", lambda n: (delta(k % 128, content="x") for k in range(n))),
    "choices at once": (
        "openai",
        lambda n: iter([{"choices": [{"delta": {"content": "x"}}] * min(n, 128)}] * (n // 99)),
    ),
    "members": ("openai", lambda n: iter([{**delta(content="x"), **{f"m{k}": k for k in range(n)}}])),
    "counts": ("openai", lambda n: ({**delta(content="x"), "usage": {"prompt_tokens": k}} for k in range(n))),
    "rounds, then counts": (
        "anthropic",
        lambda n: iter([counts(iterations=[{"output_tokens": 1}] * n), *[counts(output_tokens=2)] * n]),
    ),
    "thoughts": (
        "anthropic",
        lambda n: iter([start(0, type="thinking"), *[more(0, "thinking", thinking="x")] * n, start(0, type="text")]),
    ),
    "blocks": ("anthropic", lambda n: (start(k % 200, type="text", text="x") for k in range(n))),
    "citations": (
        "anthropic",
        lambda n: iter([start(0, type="text"), *[more(0, "citations", citation={"url": "https://a"})] * n]),
    ),
    "texts": ("gemini", lambda n: (part(text="é" if k % 2 else "x") for k in range(n))),
    "grounding": ("gemini", lambda n: iter([part(text="x" * 9), *[grounded(9)] * n])),
    "candidates": ("gemini", lambda n: (part(k % 128, text="é") for k in range(n))),
}


def instructions(run: Callable[[], object]) -> int:
    """Count the instructions of the package that it executes."""
    with Instructions("proxy.formats") as counted:
        run()
    return counted.count


def fed(decoder: Decoder, events: Iterator[Any]) -> None:
    for event in events:
        decoder.decode(None, json.dumps(event).encode())


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("kind", GROWING)
def test_twice_as_much_is_twice_the_work(kind: str, guarded: bool) -> None:
    api, events = GROWING[kind]
    small, large = (instructions(lambda n=n: fed(DECODERS[api](guarded), events(n))) for n in (200, 400))
    assert large < 2.3 * small + 2000


@pytest.mark.parametrize(
    "data", [b"\n", b": x\n", b"data\n\n", b"data: x", b"\r", b"event: x\n\n", b"data: {}\n\n", b"\xef\xbb\xbf"]
)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_bytes_without_events_are_linear_work(data: bytes, size: int) -> None:
    def run(n: int) -> None:
        parser, whole = sse.Parser(), data * n
        for at in range(0, len(whole), size):
            parser.feed(whole[at : at + size])

    assert instructions(lambda: run(2000)) < 2.3 * instructions(lambda: run(1000)) + 2000


# ---- memory
HELD: dict[str, tuple[str, Callable[[], Iterator[Any]]]] = {
    "thoughts of a letter": (
        "anthropic",
        lambda: iter([start(0, type="thinking"), *[more(0, "thinking", thinking="臺")] * 40_000]),
    ),
    "signatures of open blocks": (
        "anthropic",
        lambda: (
            event
            for k in range(250)
            for event in (start(k, type="thinking"), more(k, "signature", signature=f"{k}" + "x" * 200_000))
        ),
    ),
    "inputs of open calls": (
        "anthropic",
        lambda: (start(k, type="tool_use", id="c", name="f", input={"x": f"{k}" + "y" * 200_000}) for k in range(250)),
    ),
    "counts of other names": ("anthropic", lambda: (counts(**{f"n{k}" + "x" * 1000: 1}) for k in range(20_000))),
    "ids of calls": (
        "openai",
        lambda: (delta(k // 100, tool_calls=[{"index": k % 100, "id": f"{k}" + "x" * 100_000}]) for k in range(500)),
    ),
    "letters of many candidates": (
        "gemini",
        lambda: (part(k % 128, text="é" if k // 128 % 2 else "x" * 70) for k in range(40_000)),
    ),
    "addresses of sources": (
        "gemini",
        lambda: (
            {
                "candidates": [
                    {
                        "index": k % 128,
                        "content": {"parts": [{"text": "x"}]},
                        "citationMetadata": {
                            "citationSources": [{"endIndex": 1, "uri": f"https://{k}" + "x" * 100_000}]
                        },
                    }
                ]
            }
            for k in range(500)
        ),
    ),
}


@pytest.mark.parametrize("kind", HELD)
def test_what_is_kept_of_an_answer_is_bounded(kind: str) -> None:
    """The events themselves are not kept here, as they would not be where they go on."""
    api, events = HELD[kind]
    decoder = DECODERS[api](False)
    tracemalloc.start()
    for event in events():
        if any(type(one) is DecodeError for one in decoder.decode(None, json.dumps(event).encode())):
            break
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 16_000_000
