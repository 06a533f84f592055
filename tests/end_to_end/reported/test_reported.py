"""The reported cases, each against a gateway over real sockets, streamed and whole."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from proxy.formats.jsontext import loads
from tests.end_to_end.clients import CHAT, plain
from tests.end_to_end.provider import Provider, provider
from tests.end_to_end.reported.case import Case
from tests.end_to_end.reported.cases import CASES
from tests.end_to_end.running import running

pytestmark = pytest.mark.anyio

CONFIG = """
server: {{port: 0, drain_seconds: 0}}
retries: {{attempts: 1, cooldown: {{failures: 1000000}}}}
providers:
  openai: {{api_key: provider-key-openai, base_url: "{url}/v1"}}
  anthropic: {{api_key: provider-key-anthropic, base_url: "{url}"}}
  gemini: {{api_key: provider-key-gemini, base_url: "{url}"}}
models:
  openai: {{target: openai/x}}
  anthropic: {{target: anthropic/claude-sonnet-4-5}}
  gemini: {{target: gemini/gemini-2.5-flash}}
"""


@dataclass
class Got:
    """A client's result. `says` is an error's message, and `tokens` are those of prompt and completion."""

    status: int
    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    done: bool = False
    says: str = ""
    tokens: tuple[int, int] | None = None
    pieces: dict[int, list[str]] = field(default_factory=dict)

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(name, arguments) for _, (name, arguments) in sorted(self.pieces.items())]

    def read(self, body: dict[str, Any]) -> None:
        """Take a chunk, or a whole answer."""
        if error := body.get("error"):
            self.says = error["message"]
        if usage := body.get("usage"):
            self.tokens = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in body.get("choices", ()):
            said = choice.get("delta") or choice.get("message") or {}
            self.text += said.get("content") or ""
            self.reasoning += said.get("reasoning_content") or ""
            self.finish = choice["finish_reason"] or self.finish
            for place, call in enumerate(said.get("tool_calls") or ()):
                known = self.pieces.setdefault(call.get("index", place), ["", ""])
                known[0] += call["function"].get("name") or ""
                known[1] += call["function"].get("arguments") or ""


def got(response: httpx.Response) -> Got:
    seen = Got(response.status_code)
    if response.headers["content-type"].startswith("application/json"):
        seen.read(response.json())
        seen.done = response.status_code == 200 and not seen.says
        return seen
    for line in response.text.split("\n"):
        if line == "data: [DONE]":
            seen.done = True
        elif line.startswith("data: "):
            seen.read(loads(line[6:].encode()))
    return seen


def answer(case: Case) -> bytes:
    kind = f"content-type: {case.kind}\r\n" if case.kind else ""
    head = f"HTTP/1.1 {case.status} Status\r\n{kind}connection: close\r\ncontent-length: {len(case.body)}\r\n\r\n"
    return head.encode() + case.body


@asynccontextmanager
async def played(case: Case, stream: bool) -> AsyncIterator[tuple[Got, Provider]]:
    """The case against a gateway of its own."""
    async with provider(answer(case)) as serving:
        config = CONFIG.replace("{url}", serving.url)
        async with running(config) as run, plain(run.url) as client:
            asked = {"model": case.api, "messages": [{"role": "user", "content": "hello"}], **case.asked}
            options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            yield got(await client.post(CHAT, json={**asked, **options})), serving


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_a_reported_case_comes_out_right(case: Case, stream: bool) -> None:
    async with played(case, stream) as (seen, serving):
        want = dict(case.want)
        if want.get("done") is False:  # whole or not: what came in one piece has committed nothing
            assert want["says"] in seen.says and not seen.done
            return
        assert want.pop("says", "") in seen.says
        assert {name: getattr(seen, name) for name in want} == want
        assert seen.status == want.get("status", 200)
        if case.sent is not None:
            assert case.sent(loads(serving.bodies[-1]))
