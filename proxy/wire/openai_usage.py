"""Token counts of OpenAI-format servers, brought to OpenAI's meaning.

OpenAI counts cached tokens within the prompt and reasoning tokens within the completion. DeepSeek and others put cached
tokens at the top. xAI and others count reasoning beside the completion, which shows in their total: the part of a total
that is neither prompt nor completion was made and is billed, so it is completion.
"""

from collections.abc import Mapping
from typing import Any

from policies.events import Usage
from proxy.wire import guard
from proxy.wire.fields import count, obj


def usage(counts: Mapping[str, Any], *, guarded: bool) -> Usage | None:
    """The counts of a provider's `usage` object, None when it holds none."""
    prompt = count(counts.get("prompt_tokens"))
    completion = count(counts.get("completion_tokens"))
    if not prompt and not completion:
        return None
    of_prompt = obj(counts.get("prompt_tokens_details"))
    reasoning = count(obj(counts.get("completion_tokens_details")).get("reasoning_tokens"))
    if prompt:
        completion = max(completion, count(counts.get("total_tokens")) - prompt)
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=count(of_prompt.get("cached_tokens"))
        or count(counts.get("prompt_cache_hit_tokens"))
        or count(counts.get("cached_tokens")),
        cache_write=count(of_prompt.get("cache_write_tokens")) or count(of_prompt.get("cache_creation_tokens")),
        reasoning=reasoning,
        details=guard.numbers(counts) if guarded else counts,
    )
