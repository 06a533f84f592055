"""Token counts of OpenAI-format servers, brought to OpenAI's meaning.

OpenAI counts cached tokens within the prompt and reasoning tokens within the completion. DeepSeek and others put cached
and reasoning tokens at the top; some take the names of the Responses API or of JavaScript. xAI and others count
reasoning beside the completion, which shows in their total: the part of a total that is neither prompt nor completion
was made and is billed, so it is completion.
"""

from collections.abc import Mapping
from typing import Any

from policies.events import Usage
from proxy.formats.fields import count, obj
from proxy.formats.openai_chat import guard

_PROMPT = ("prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
_COMPLETION = ("completion_tokens", "output_tokens", "completionTokens", "outputTokens")
_TOTAL = ("total_tokens", "totalTokens")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens")
_REASONING = ("reasoning_tokens",)


def usage(counts: Mapping[str, Any], *, guarded: bool) -> Usage | None:
    """The counts of a provider's `usage` object, None when it holds none."""
    prompt = _first(counts, _PROMPT)
    completion = _first(counts, _COMPLETION)
    if not prompt and not completion:
        return None
    of_prompt = obj(counts.get("prompt_tokens_details"))
    reasoning = _first(obj(counts.get("completion_tokens_details")), _REASONING) or _first(counts, _REASONING)
    if prompt:
        completion = max(completion, _first(counts, _TOTAL) - prompt)
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=_first(of_prompt, _CACHED) or _first(counts, _CACHED),
        cache_write=count(of_prompt.get("cache_write_tokens")) or count(of_prompt.get("cache_creation_tokens")),
        reasoning=reasoning,
        details=guard.numbers(counts) if guarded else counts,
    )


def _first(counts: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first of these members that counts something."""
    return next((number for name in names if (number := count(counts.get(name)))), 0)
