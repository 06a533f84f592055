"""How an answer ended: each provider's finish reasons, and the one that a client gets for each.

Rule: an answer ends in one of four ways. It is natural (`stop`, `tool_calls`, `function_call`), cut by a limit
(`length`), cut by a filter (`content_filter`), or broken off (`BROKEN`). A broken answer is a `DecodeError`: the client
gets an error, or another attempt is made while nothing was sent. A reason that stands in no table is broken off too,
because `stop` would say that the answer is whole.

Servers write the same reasons in any case, with hyphens, in camel case, as the name of an enumeration's member. Some
give a word for "not yet" (`UNSAID`): it is no reason, and the answer goes on.

Policies release the text that they hold at a natural end only. So the row of a reason also decides what happens to it.

Sources: the enums of the vendors' own SDKs (a test compares them), and the servers that imitate OpenAI's format.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from policies.events import Event, Finish, FinishReason, Text
from proxy.formats.base import DecodeError
from proxy.formats.fields import label

BROKEN: Final = "broken"

UNSAID: Final = "unsaid"

Ending: TypeAlias = FinishReason | Literal["broken", "unsaid"]

ANTHROPIC: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # a turn of the provider's own tools, to be gone on with: not the whole answer
    "compaction": "length",  # a pause behind the summary of the conversation: likewise
    "refusal": "content_filter",
}

GEMINI: Final[Mapping[str, Ending]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "FINISH_REASON_UNSPECIFIED": UNSAID,
    "OTHER": BROKEN,
    "IMAGE_OTHER": BROKEN,
    "NO_IMAGE": BROKEN,
    "MALFORMED_FUNCTION_CALL": BROKEN,
    "MALFORMED_RESPONSE": BROKEN,
    "UNEXPECTED_TOOL_CALL": BROKEN,
    "TOO_MANY_TOOL_CALLS": BROKEN,
    "MISSING_THOUGHT_SIGNATURE": BROKEN,
    "PUP_LIMITED_DISABLED": BROKEN,
}

OPENAI: Final[Mapping[str, Ending]] = {
    **{name.lower(): ending for name, ending in GEMINI.items()},  # Google's OpenAI-compatible endpoint
    **ANTHROPIC,
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "function_call",
    "content_filter": "content_filter",
    "complete": "stop",
    "completed": "stop",
    "done": "stop",
    "end": "stop",
    "end_of_sequence": "stop",
    "end_of_text": "stop",
    "endoftext": "stop",
    "eos": "stop",
    "eos_found": "stop",
    "eos_token": "stop",
    "finish": "stop",
    "finished": "stop",
    "normal": "stop",
    "stop_string_found": "stop",
    "stop_token": "stop",
    "success": "stop",
    "tool_call": "tool_calls",
    "context_length": "length",
    "context_length_exceeded": "length",
    "context_length_reached": "length",
    "error_limit": "length",  # Cohere: the limit of the context
    "length_exceeded": "length",
    "max_length": "length",
    "max_new_tokens": "length",
    "max_output_tokens": "length",
    "max_predicted_tokens_reached": "length",
    "max_tokens_reached": "length",
    "model_length": "length",
    "repetition": "length",  # vLLM: its limit of repeated patterns
    "time_limit": "length",
    "token_limit": "length",
    "content_filtered": "content_filter",
    "error_toxic": "content_filter",
    "guardrail_intervened": "content_filter",
    "sensitive": "content_filter",
    "abort": BROKEN,
    "aborted": BROKEN,
    "cancelled": BROKEN,
    "error": BROKEN,
    "insufficient_system_resource": BROKEN,  # DeepSeek: the server ran out of something in the middle
    "network_error": BROKEN,
    "not_finished": BROKEN,
    "timeout": BROKEN,
    "none": UNSAID,
    "null": UNSAID,
    "unspecified": UNSAID,
}
"""By lower-case name with underscores; see `openai`."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINT: Final = re.compile(r"[\s.:-]+")
MAX_REASON: Final = 64
"""Characters of a reason that is looked up."""

_WORST_FIRST: Final[tuple[FinishReason, ...]] = ("content_filter", "length", "tool_calls", "function_call", "stop")


def openai(reason: Any) -> Ending:
    """The ending of an OpenAI-format server's reason, however it spells it."""
    if type(reason) is not str or len(reason) > MAX_REASON:
        return BROKEN
    found = OPENAI.get(reason.lower())
    if found is None:
        name = _JOINT.sub("_", _HUMP.sub("_", reason.strip())).lower()
        found = OPENAI.get(name) or OPENAI.get(name.removeprefix("finish_reason_"))
    return found or BROKEN


def worse(first: FinishReason | None, second: FinishReason) -> FinishReason:
    """The reason of a choice that gave two: the one that promises less of the answer."""
    return second if first is None else min(first, second, key=_WORST_FIRST.index)


def broken_off(reason: Any) -> DecodeError:
    """The fault of an answer whose finish reason says that it broke."""
    name = label(reason, guarded=True)
    told = f" (finish reason {name})" if name else ""
    return DecodeError(f"The provider broke its answer off{told}: send the request again.", kind="provider_broke_off")


def ended(choice: int, reason: FinishReason, explanation: str) -> Sequence[Event]:
    """Make the end of a choice. A filtered one has the provider's explanation as its refusal.

    An answer that a filter cut may end within a word, so what a policy holds of it is dropped. An explanation is whole.
    """
    if reason != "content_filter" or not explanation:
        return (Finish(choice, reason),)
    return (Text(choice, "refusal", explanation), Finish(choice, reason, whole=("refusal",)))
