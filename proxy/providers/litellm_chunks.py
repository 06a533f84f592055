"""LiteLLM's chunks as plain JSON objects in OpenAI's format, mended where LiteLLM shows less than a client must know,
or more than the provider said.

- The empty members that it adds to every chunk are left out.
- Calls of tools that run at the provider (Anthropic's `srvtoolu_` ids) are not for the client to run: left out, and the
  calls behind them count from 0.
- A client that wants one call at a time gets the first alone: some providers cannot be told.
- Signed thoughts that come in pieces are one block again, as providers want them back. Its second copy is left out.
- Gemini's tokens of search results are in the details alone: they are the prompt's.
- Where a provider tells no usage, LiteLLM counts tokens itself and shows that as the provider's: left out.
- Where an answer breaks off, LiteLLM may end it with a reason of its own: `Cut` is raised instead.
"""

from collections.abc import Callable
from typing import Any

_AT_PROVIDER = "srvtoolu_"
_REASONS = ("received_finish_reason", "intermittent_finish_reason", "received_any_finish_reason")
"""Where LiteLLM's stream keeps what the provider said of an answer's end."""


class Cut(Exception):
    """The answer is over, and its provider has not said why."""


class Kept(list[Any]):
    """The chunks that LiteLLM's stream keeps of itself: it would keep them all, and needs those with usage."""

    def append(self, chunk: Any) -> None:
        """Keep a chunk that has usage."""
        if getattr(chunk, "usage", None) is not None:
            super().append(chunk)


class Chunks:
    """Mends the chunks of one answer. `stream` is LiteLLM's, None for a whole answer; `told` says whether the provider
    has told of the answer's end, where LiteLLM does not keep that; `one_call` that the client wants no second one."""

    def __init__(self, stream: Any = None, told: Callable[[], bool] = lambda: True, *, one_call: bool = False) -> None:
        self._told = told
        self._one_call = one_call
        self._hidden: dict[int, set[int]] = {}
        self._thoughts: dict[int, list[str]] = {}
        """The pieces of each choice's open block."""
        # A few providers have streams of their own kind.
        self._stream: Any = stream if hasattr(stream, _REASONS[0]) else None
        self._kept = Kept()
        if self._stream is not None:
            self._stream.chunks = self._kept

    def plain(self, chunk: Any) -> dict[str, Any]:
        """A chunk, or a whole answer, as an object. `chunk` is one of LiteLLM's pydantic objects. Raises `Cut`."""
        members: dict[str, Any] = chunk.model_dump(exclude_none=True, warnings=False)
        for choice in members.get("choices", ()):
            holder = choice.get("delta") or choice.get("message") or {}
            if holder.get("tool_calls"):
                holder["tool_calls"] = self._clients_own(choice.get("index", 0), holder["tool_calls"])
            if self._stream is not None and holder.get("thinking_blocks"):
                self._join_thoughts(choice.get("index", 0), holder)
        _count_searches(members.get("usage") or {})
        if self._stream is not None:
            self._check(self._stream, members)
        return {name: value for name, value in members.items() if value or name == "choices"}

    def _check(self, stream: Any, members: dict[str, Any]) -> None:
        stream.response_uptil_now = ""  # grows with each chunk, by a copy of all
        if not self._kept:
            members.pop("usage", None)
        ends = any(choice.get("finish_reason") for choice in members.get("choices", ()))
        if ends and not (self._told() and any(getattr(stream, name, None) for name in _REASONS)):
            raise Cut

    def _join_thoughts(self, choice: int, delta: dict[str, Any]) -> None:
        """Leave the blocks that are whole by now."""
        fields = delta.get("provider_specific_fields") or {}
        if fields.pop("thinking_blocks", None) and not fields:
            del delta["provider_specific_fields"]
        pieces, blocks = self._thoughts.setdefault(choice, []), []
        for piece in delta.pop("thinking_blocks"):
            block = {name: value for name, value in piece.items() if name != "index"}
            if block.get("type") == "thinking":
                pieces.append(block.get("thinking") or "")
                if not block.get("signature"):
                    continue
                block["thinking"] = "".join(pieces)
                pieces.clear()
            blocks.append(block)
        if blocks:
            delta["thinking_blocks"] = blocks

    def _clients_own(self, choice: int, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        hidden = self._hidden.setdefault(choice, set())
        shown = []
        for position, call in enumerate(calls):
            index = call.get("index", position)
            if str(call.get("id", "")).startswith(_AT_PROVIDER):
                hidden.add(index)
            if index not in hidden:
                shown.append({**call, "index": index - sum(other < index for other in hidden)})
        return shown if not self._one_call else [call for call in shown if call["index"] == 0]


def _count_searches(usage: dict[str, Any]) -> None:
    details = usage.get("prompt_tokens_details") or {}
    if details.get("web_search_requests") and details.get("tool_use_tokens"):
        usage["prompt_tokens"] += details["tool_use_tokens"]
        usage["total_tokens"] += details["tool_use_tokens"]
