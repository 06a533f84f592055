"""LiteLLM's chunks, mended."""

from typing import Any

from proxy.upstreams.litellm_chunks import Chunks


class Chunk:
    """Stands for LiteLLM's pydantic object."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members

    def model_dump(self, *, exclude_none: bool, warnings: bool) -> dict[str, Any]:
        assert exclude_none and not warnings
        return self.members


def calls(*pieces: dict[str, Any], choice: int = 0) -> Chunk:
    return Chunk({"choices": [{"index": choice, "delta": {"tool_calls": list(pieces)}}]})


def shown(chunks: Chunks, chunk: Chunk) -> Any:
    return chunks.plain(chunk)["choices"][0]["delta"]["tool_calls"]


def test_empty_members_are_left_out_but_not_choices() -> None:
    plain = Chunks().plain(Chunk({"id": "x", "choices": [], "vertex_ai_safety_ratings": [], "citations": None}))
    assert plain == {"id": "x", "choices": []}


def test_calls_that_run_at_the_provider_are_left_out_and_the_rest_counts_from_0() -> None:
    chunks = Chunks()
    assert shown(chunks, calls({"index": 0, "id": "srvtoolu_1"})) == []
    assert shown(chunks, calls({"index": 0, "function": {"arguments": "{}"}})) == []
    assert shown(chunks, calls({"index": 1, "id": "toolu_2"})) == [{"index": 0, "id": "toolu_2"}]
    assert shown(chunks, calls({"index": 1}, choice=1)) == [{"index": 1}]


def test_tokens_of_search_results_are_the_prompts() -> None:
    def usage(**details: int) -> Any:
        counts = {"prompt_tokens": 17, "completion_tokens": 5, "total_tokens": 22, "prompt_tokens_details": details}
        return Chunks().plain(Chunk({"choices": [], "usage": counts}))["usage"]

    searched = usage(web_search_requests=1, tool_use_tokens=102)
    assert (searched["prompt_tokens"], searched["total_tokens"]) == (119, 124)
    assert usage(tool_use_tokens=102)["prompt_tokens"] == 17
