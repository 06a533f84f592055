"""LiteLLM's content filter without its proxy, run by the interpreter of LiteLLM's own environment.

It reads `{"patterns": [...], "pieces": [...]}` from standard input and streams the pieces through the guardrail's hook
for streamed answers, as the proxy does. It prints the microseconds of CPU per piece, minus those of the empty loop.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
_ROUNDS = 3


def _chunks(pieces: list[str]) -> list[Any]:
    from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices

    texts: list[tuple[str | None, str | None]] = [*((piece, None) for piece in pieces), (None, "stop")]
    return [
        ModelResponseStream(choices=[StreamingChoices(index=0, delta=Delta(content=text), finish_reason=finish)])
        for text, finish in texts
    ]


async def _answer(chunks: list[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


async def _spent(pieces: list[str], guard: Any) -> float:
    """Measure the CPU seconds for all pieces."""
    answer = _answer(_chunks(pieces))
    if guard is not None:
        answer = guard.async_post_call_streaming_iterator_hook(None, answer, {"model": "m", "metadata": {}})
    begun = time.process_time()
    async for _ in answer:
        pass
    return time.process_time() - begun


async def main() -> None:
    """Measure and print."""
    from litellm.proxy.guardrails.guardrail_hooks.litellm_content_filter.content_filter import ContentFilterGuardrail

    given = json.load(sys.stdin)
    patterns = [
        {"pattern_type": "regex", "name": f"p{at}", "pattern": pattern, "action": "MASK"}
        for at, pattern in enumerate(given["patterns"])
    ]
    guard: Any = ContentFilterGuardrail(guardrail_name="filter", patterns=patterns, default_on=True)  # type: ignore[arg-type]
    pieces = given["pieces"]
    plain = min([await _spent(pieces, None) for _ in range(_ROUNDS)])
    guarded = min([await _spent(pieces, guard) for _ in range(_ROUNDS)])
    print((guarded - plain) / len(pieces) * 1e6)


if __name__ == "__main__":
    asyncio.run(main())
