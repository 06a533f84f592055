"""LiteLLM's chunks as plain JSON objects in OpenAI's format, mended where LiteLLM shows less than a client must know.

- The empty members that it adds to every chunk are left out.
- Calls of tools that run at the provider (Anthropic's `srvtoolu_` ids) are not for the client to run: left out, and the
  calls behind them count from 0.
- Gemini's tokens of search results are in the details alone: they are the prompt's.
"""

from typing import Any

_AT_PROVIDER = "srvtoolu_"


class Chunks:
    """Mends the chunks of one answer."""

    def __init__(self) -> None:
        self._hidden: dict[int, set[int]] = {}

    def plain(self, chunk: Any) -> dict[str, Any]:
        """A chunk, or a whole answer, as an object. `chunk` is one of LiteLLM's pydantic objects."""
        members: dict[str, Any] = chunk.model_dump(exclude_none=True, warnings=False)
        for choice in members.get("choices", ()):
            holder = choice.get("delta") or choice.get("message") or {}
            if holder.get("tool_calls"):
                holder["tool_calls"] = self._clients_own(choice.get("index", 0), holder["tool_calls"])
        _count_searches(members.get("usage") or {})
        return {name: value for name, value in members.items() if value or name == "choices"}

    def _clients_own(self, choice: int, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        hidden = self._hidden.setdefault(choice, set())
        shown = []
        for position, call in enumerate(calls):
            index = call.get("index", position)
            if str(call.get("id", "")).startswith(_AT_PROVIDER):
                hidden.add(index)
            if index not in hidden:
                shown.append({**call, "index": index - sum(other < index for other in hidden)})
        return shown


def _count_searches(usage: dict[str, Any]) -> None:
    details = usage.get("prompt_tokens_details") or {}
    if details.get("web_search_requests") and details.get("tool_use_tokens"):
        usage["prompt_tokens"] += details["tool_use_tokens"]
        usage["total_tokens"] += details["tool_use_tokens"]
