"""Token counts of OpenAI-format servers in OpenAI's meaning."""

from typing import Any

import pytest

from policies.events import Usage
from proxy.formats.openai_chat.usage import usage


def counts(**members: Any) -> dict[str, Any]:
    return {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} | members


SERVERS: dict[str, tuple[dict[str, Any], Usage]] = {
    "plain": (counts(), Usage(10, 5)),
    "OpenAI": (
        counts(prompt_tokens_details={"cached_tokens": 4}, completion_tokens_details={"reasoning_tokens": 3}),
        Usage(10, 5, cached=4, reasoning=3),
    ),
    "DeepSeek": (counts(prompt_cache_hit_tokens=4, prompt_cache_miss_tokens=6), Usage(10, 5, cached=4)),
    "Hugging Face": (counts(cached_tokens=4, prompt_tokens_details=None), Usage(10, 5, cached=4)),
    "OpenRouter": (counts(prompt_tokens_details={"cache_write_tokens": 2}), Usage(10, 5, cache_write=2)),
    "LiteLLM": (counts(prompt_tokens_details={"cache_creation_tokens": 2}), Usage(10, 5, cache_write=2)),
    "xAI counts reasoning beside": (
        counts(total_tokens=45, completion_tokens_details={"reasoning_tokens": 30}),
        Usage(10, 35, reasoning=30),
    ),
    "a total with thoughts that nobody else tells": (counts(total_tokens=5015), Usage(10, 5005)),
    "a total below its parts": (counts(total_tokens=7), Usage(10, 5)),
    "no prompt, whose tokens the total may hold": ({"completion_tokens": 5, "total_tokens": 15}, Usage(0, 5)),
    "only a prompt": ({"prompt_tokens": 10}, Usage(10, 0)),
    "wrong types": (
        counts(completion_tokens="5", prompt_tokens_details=[1], completion_tokens_details={"reasoning_tokens": None}),
        Usage(10, 5),
    ),
    "impossible numbers": (counts(completion_tokens=-1, cached_tokens=10**30, total_tokens=True), Usage(10, 0)),
}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(("given", "want"), SERVERS.values(), ids=SERVERS.keys())
def test_counts_are_read_wherever_the_server_puts_them(given: dict[str, Any], want: Usage, guarded: bool) -> None:
    got = usage(given, guarded=guarded)
    assert got is not None
    assert (got.prompt, got.completion, got.cached, got.cache_write, got.reasoning) == (
        *(want.prompt, want.completion),
        *(want.cached, want.cache_write, want.reasoning),
    )


def test_the_providers_object_is_kept_and_when_guarded_only_its_numbers() -> None:
    given = counts(cost=0.1, note="the answer", cost_details={"a": 1, "b": "x", "c": None}, tags=["x"], byok=True, e={})
    open_event, guarded = usage(given, guarded=False), usage(given, guarded=True)
    assert open_event is not None and open_event.details == given
    assert guarded is not None and guarded.details == counts(cost=0.1, cost_details={"a": 1})


@pytest.mark.parametrize("given", [{}, {"total_tokens": 5}, {"prompt_tokens": None}, {"prompt_tokens": 0}])
def test_an_object_that_counts_nothing_is_no_usage(given: dict[str, Any]) -> None:
    assert usage(given, guarded=False) is None
