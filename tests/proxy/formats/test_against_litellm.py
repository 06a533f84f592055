"""The same provider events through our decoders and through LiteLLM's: the same answer, or a row that says why not.

`DIFFERENCES` lists all that is meant to differ. A row that no longer differs fails as well, so the table stays true.
"""

import json
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from policies.events import Usage
from proxy.formats.anthropic.blocks import JSON_TOOL
from proxy.formats.anthropic.decode import AnthropicDecoder
from proxy.formats.base import DecodeError
from proxy.formats.gemini.decode import GeminiDecoder
from proxy.providers.litellm import load
from tests.proxy.formats import anthropic_events as a
from tests.proxy.formats import gemini_events as g
from tests.proxy.formats.folding import fold, play

pytestmark = pytest.mark.filterwarnings("ignore:.*ReadOnly:UserWarning")  # pydantic's, about LiteLLM's types

Answer = dict[str, Any]
"""The compared values, by the field's name."""

ROUNDS = [
    {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 80},
    {"input_tokens": 50, "output_tokens": 8},
]
CITED = [a.opened(3, type="text", text="", citations=[]), a.delta(3, "citations_delta", citation=a.CITATION)]
FAILED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
ANTHROPIC: dict[str, list[Any]] = {
    "text": [*a.text(0, "Hel", "lo"), a.PING, *a.ended()],
    "several texts": [*a.text(0, "One. "), *a.text(1, "Two. "), *a.ended("stop_sequence")],
    "thinking": [
        *a.THINKING,
        *a.text(1, "Yes"),
        *a.ended(output_tokens=20, output_tokens_details={"thinking_tokens": 9}),
    ],
    "thinking, not counted": [*a.THINKING, *a.text(1, "Yes"), *a.ended()],
    "redacted thinking": [a.opened(0, type="redacted_thinking", data="b3Bh"), a.closed(0), *a.ended()],
    "parallel calls": [*a.call(0, "t1", "f", '{"a"', ": 1}"), *a.call(1, "t2", "g", "", "{}"), *a.ended("tool_use")],
    "call without arguments": [*a.text(0, "Sure."), *a.call(1, "t1", "f"), *a.ended("tool_use")],
    "call whose arguments come whole": [*a.call(0, "t1", "f", input={"a": 1}), *a.ended("tool_use")],
    "web search": [*a.SEARCH, *CITED, a.delta(3, "text_delta", text="Warm."), a.closed(3), *a.ended()],
    "web search, then a call": [*a.SEARCH, *a.call(3, "t1", "f", "{}"), *a.ended("tool_use")],
    "json tool": [*a.call(0, "t1", JSON_TOOL, '{"a"', ": 1}"), *a.ended("tool_use")],
    "json tool in one piece": [*a.call(0, "t1", JSON_TOOL, '{"values": {"a":1}}'), *a.ended("tool_use")],
    "json tool beside a call": [*a.call(0, "t1", JSON_TOOL, "{}"), *a.call(1, "t2", "f", "{}"), *a.ended("tool_use")],
    "max tokens": [*a.text(0, "Hel"), *a.ended("max_tokens")],
    "refusal": [*a.text(0, "Hel"), *a.ended("refusal")],
    "pause": [*a.text(0, "Hel"), *a.ended("pause_turn")],
    "context full": [*a.text(0, "Hel"), *a.ended("model_context_window_exceeded")],
    "compaction": [*a.text(0, "Hel"), *a.ended("compaction")],
    "several rounds": [*a.text(0, "Hi"), *a.ended(input_tokens=50, output_tokens=8, iterations=ROUNDS)],
    "error": [*a.text(0, "Hel"), FAILED],
}
GROUNDED = {"groundingChunks": g.CHUNKS, "groundingSupports": [g.support(7, 12, 0)]}
FROM_START = {"groundingChunks": g.CHUNKS, "groundingSupports": [g.support(None, 6, 0)]}
SEARCHED = {"webSearchQueries": ["weather"]}
TOOL_USE = {"promptTokenCount": 10, "toolUsePromptTokenCount": 90, "candidatesTokenCount": 5, "totalTokenCount": 105}
REASONS = ["MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"]
REASONS += ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "NO_IMAGE"]
GEMINI: dict[str, list[Any]] = {
    "text": [g.said("Hel"), g.said("lo", finish="STOP", usage={**g.USAGE, "totalTokenCount": 22})],
    "thoughts": [g.answer({"text": "Hm", "thought": True}), g.answer({"text": "Yes"}, finish="STOP")],
    "call": [g.answer(g.PARIS, finish="STOP")],
    "calls in several events": [g.answer(g.PARIS), g.answer(g.PARIS), g.answer({"text": ""}, finish="STOP")],
    "call with its own id": [g.answer({"functionCall": {"name": "f", "args": {}, "id": "own"}}, finish="STOP")],
    "signed call": [g.answer({**g.PARIS, "thoughtSignature": "c2ln"}, finish="STOP")],
    "signed text": [g.said("Hi"), g.answer({"text": "", "thoughtSignature": "c2ln"}, finish="STOP")],
    "call, then cut": [g.answer(g.PARIS), g.said("and th", finish="MAX_TOKENS")],
    "executed code": [g.answer(g.CODE, {"codeExecutionResult": {"output": "1"}}, {"text": "One"}, finish="STOP")],
    "image": [g.answer({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, finish="STOP")],
    "two candidates": [g.answer(g.PARIS, finish="STOP"), g.answer(g.PARIS, index=1, finish="STOP")],
    "grounding": [g.said("Grün. "), g.answer({"text": "Warm."}, finish="STOP", groundingMetadata=GROUNDED)],
    "grounding from the start": [g.answer({"text": "Warm. "}, finish="STOP", groundingMetadata=FROM_START)],
    "searched": [g.answer({"text": "x"}, finish="STOP", groundingMetadata=SEARCHED, usage=TOOL_USE)],
    "fetched": [g.answer({"text": "x"}, finish="STOP", usage=TOOL_USE)],
    "thoughts within the count": [g.said("x", finish="STOP", usage={**g.USAGE, "totalTokenCount": 15})],
    "blocked prompt": [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 8}}],
    "error": [g.said("x"), {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}],
    **{f"finish {reason}": [g.said("x", finish=reason)] for reason in REASONS},
}
WARM = {"url": "https://a.example/", "title": "A", "start_index": 0, "end_index": 5}
DIFFERENCES: dict[tuple[str, str, str], tuple[Any, Any, str]] = {
    # (provider, case, field): (ours, LiteLLM's, the reason)
    ("anthropic", "thinking, not counted", "reasoning tokens"): (
        0,
        4,
        "LiteLLM estimates what the provider did not say",
    ),
    ("anthropic", "call whose arguments come whole", "calls"): (
        {(0, 0): ("t1", "f", {"a": 1})},
        {(0, 0): ("t1", "f", {})},
        "LiteLLM drops an input that comes with the block's start",
    ),
    ("anthropic", "web search", "annotations"): (
        [{"type": "url_citation", "url_citation": WARM}],
        [],
        "OpenAI's shape; LiteLLM streams the provider's own citation objects",
    ),
    ("anthropic", "json tool in one piece", "content"): (
        '{"values": {"a":1}}',
        '{"a": 1}',
        "the schema is the client's own, so `values` is its member; and LiteLLM unwraps only what comes in one piece",
    ),
    ("anthropic", "error", "fault"): (529, 500, "the status the error would have had at the start decides retries"),
    ("gemini", "two candidates", "calls"): (
        {(0, 0): ("minted", "lookup", {"city": "Paris"}), (1, 0): ("minted", "lookup", {"city": "Paris"})},
        {(0, 0): ("minted", "lookup", {"city": "Paris"}), (1, 1): ("minted", "lookup", {"city": "Paris"})},
        "each choice's calls are counted from 0",
    ),
    ("gemini", "signed call", "signatures"): (
        [],
        ["c2ln"],
        "it stands on the call",
    ),
    ("gemini", "grounding", "annotations"): (
        [{"type": "url_citation", "url_citation": {**WARM, "start_index": 6, "end_index": 11}}],
        [{"type": "url_citation", "url_citation": {**WARM, "start_index": 7, "end_index": 12}}],
        "OpenAI counts characters; LiteLLM passes on the bytes that Gemini counts",
    ),
    ("gemini", "grounding from the start", "annotations"): (
        [{"type": "url_citation", "url_citation": {**WARM, "end_index": 6}}],
        [],
        "an index that is left out is 0, as everywhere in the format",
    ),
    ("gemini", "searched", "prompt"): (100, 10, "what tools put into the prompt are prompt tokens, whoever is billed"),
    ("gemini", "thoughts within the count", "completion"): (12, 5, "the format says that candidates exclude thoughts"),
    **{
        ("gemini", f"finish {reason}", "fault"): (
            502,
            None,
            "the answer broke off; LiteLLM tells it as stop or filtered",
        )
        for reason in ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "NO_IMAGE")
    },
}


def ours(provider: str, case: str, events: list[Any]) -> Answer:
    """The answer as our decoder gives it."""
    decoder = (
        AnthropicDecoder(True, json_tool=case.startswith("json")) if provider == "anthropic" else GeminiDecoder(True)
    )
    seen = fold(play(decoder, events))
    usage = seen.usage[-1] if seen.usage else Usage(0, 0)
    return {
        "content": seen.content,
        "reasoning": seen.reasoning,
        "calls": {key: (minted(c.id), c.name, json.loads(c.arguments)) for key, c in seen.calls.items()},
        "finish": seen.finish,
        "prompt": usage.prompt,
        "completion": usage.completion,
        "cached": usage.cached,
        "written to cache": usage.cache_write,
        "reasoning tokens": usage.reasoning,
        "thinking blocks": seen.attached.get((0, "thinking_blocks"), []),
        "annotations": [without_index(entry) for entry in seen.attached.get((0, "annotations"), [])],
        "images": [image["image_url"]["url"] for image in seen.attached.get((0, "images"), [])],
        "signatures": [
            s for fields in seen.attached.get((0, "provider_specific_fields"), []) for s in fields["thought_signatures"]
        ],
        "fault": seen.end.status if isinstance(seen.end, DecodeError) else None,
    }


def litellms(iterator: Any, events: list[Any]) -> Answer:
    """The answer as LiteLLM's decoder gives it, chunk by chunk."""
    answer: Answer = defaultdict(str, calls={}, finish={}, fault=None)
    answer |= {"thinking blocks": [], "annotations": [], "images": [], "signatures": [], "content": "", "reasoning": ""}
    answer |= dict.fromkeys(["prompt", "completion", "cached", "written to cache", "reasoning tokens"], 0)
    for event in events:
        try:
            chunk = iterator.chunk_parser(event)
        except Exception as error:  # LiteLLM's class differs by provider
            if not hasattr(error, "status_code"):
                raise
            answer["fault"] = error.status_code
            break
        for choice in chunk.choices:
            add_delta(answer, choice.index, choice.delta)
            answer["finish"] |= {choice.index: choice.finish_reason} if choice.finish_reason else {}
        if getattr(chunk, "usage", None):
            add_usage(answer, chunk.usage)
    calls = answer["calls"].items()
    return {**answer, "calls": {key: (minted(id), name, json.loads(text or "{}")) for key, (id, name, text) in calls}}


def add_delta(answer: Answer, choice: int, delta: Any) -> None:
    answer["content"] += delta.content or ""
    answer["reasoning"] += getattr(delta, "reasoning_content", None) or ""
    for call in delta.tool_calls or []:
        id, name, text = answer["calls"].get((choice, call.index), (call.id, call.function.name, ""))
        answer["calls"][choice, call.index] = id, name, text + (call.function.arguments or "")
    for block in getattr(delta, "thinking_blocks", None) or []:
        add_thinking(answer["thinking blocks"], without_index(block))
    answer["annotations"] += getattr(delta, "annotations", None) or []
    answer["images"] += [image["image_url"]["url"] for image in getattr(delta, "images", None) or []]
    answer["signatures"] += (getattr(delta, "provider_specific_fields", None) or {}).get("thought_signatures", [])


def add_thinking(blocks: list[Any], piece: Any) -> None:
    """LiteLLM streams a block in pieces; the signature is its last."""
    if piece["type"] == "thinking" and blocks and "signature" not in blocks[-1] and "data" not in blocks[-1]:
        blocks[-1] |= piece | {"thinking": blocks[-1]["thinking"] + piece["thinking"]}
    else:
        blocks.append(dict(piece))


def add_usage(answer: Answer, usage: Any) -> None:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    answer["prompt"], answer["completion"] = usage.prompt_tokens, usage.completion_tokens
    answer["cached"] = getattr(prompt, "cached_tokens", None) or 0
    answer["written to cache"] = getattr(prompt, "cache_creation_tokens", None) or 0
    answer["reasoning tokens"] = getattr(completion, "reasoning_tokens", None) or 0


def minted(id: str | None) -> str | None:
    """Ids that are made up on the way compare as equal."""
    return re.sub(r"^call_[0-9a-f]+", "minted", id) if id else id


def without_index(entry: dict[str, Any]) -> dict[str, Any]:
    """`index` is for the OpenAI SDK's stream helper alone."""
    return {name: value for name, value in entry.items() if name != "index"}


@pytest.fixture(scope="module")
def iterators() -> Iterator[dict[str, Callable[[str], Any]]]:
    """LiteLLM's decoders by provider; imported here because it takes seconds, and set up as the gateway does."""
    load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from litellm.constants import RESPONSE_FORMAT_TOOL_NAME
        from litellm.llms.anthropic.chat.handler import ModelResponseIterator as Anthropic
        from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import ModelResponseIterator as Gemini

        assert RESPONSE_FORMAT_TOOL_NAME == JSON_TOOL
        log: Any = SimpleNamespace(optional_params={}, litellm_params={})
        yield {
            "anthropic": lambda case: Anthropic(iter([]), sync_stream=True, json_mode=case.startswith("json")),
            "gemini": lambda case: Gemini(iter([]), sync_stream=True, logging_obj=log),
        }


CASES = [("anthropic", case, [a.START, *events]) for case, events in ANTHROPIC.items()]
CASES += [("gemini", case, events) for case, events in GEMINI.items()]


@pytest.mark.parametrize(("provider", "case", "events"), CASES, ids=[f"{p}: {c}" for p, c, _ in CASES])
def test_both_decoders_give_the_same_answer_but_for_the_table(
    iterators: dict[str, Callable[[str], Any]], provider: str, case: str, events: list[Any]
) -> None:
    mine, theirs = ours(provider, case, events), litellms(iterators[provider](case), events)
    if mine["fault"]:  # LiteLLM's chunks finish all the time, ours do not before the end
        mine["finish"] = theirs["finish"]
    differing = {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}
    rows = {name: (o, t) for (p, c, name), (o, t, _) in DIFFERENCES.items() if (p, c) == (provider, case)}
    assert differing == rows


def test_every_row_of_the_table_is_of_a_case_and_has_its_reason() -> None:
    names = {(provider, case) for provider, case, _ in CASES}
    assert all((provider, case) in names and reason for (provider, case, _), (_, _, reason) in DIFFERENCES.items())


def test_litellm_reads_a_calls_signature_back_from_its_id(iterators: dict[str, Callable[[str], Any]]) -> None:
    from litellm.litellm_core_utils.prompt_templates.factory import get_thought_signature_from_tool

    seen = fold(play(GeminiDecoder(guarded=True), [g.answer({**g.PARIS, "thoughtSignature": "c2ln"}, finish="STOP")]))
    sent_back = {"id": seen.calls[0, 0].id, "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
    assert get_thought_signature_from_tool(sent_back) == "c2ln"


def test_litellm_sends_thinking_back_before_the_call_that_it_led_to(iterators: dict[str, Callable[[str], Any]]) -> None:
    from litellm.litellm_core_utils.prompt_templates.factory import anthropic_messages_pt

    redacted = [a.opened(1, type="redacted_thinking", data="b3BhcXVl"), a.closed(1)]
    seen = fold(
        play(AnthropicDecoder(guarded=True), [*a.THINKING, *redacted, *a.call(2, "t1", "f"), *a.ended("tool_use")])
    )
    blocks, call = seen.attached[0, "thinking_blocks"], seen.calls[0, 0]
    function = {"name": call.name, "arguments": call.arguments}
    turn = {"role": "assistant", "content": None, "thinking_blocks": blocks}
    turn |= {"tool_calls": [{"id": call.id, "type": "function", "function": function}]}
    result = {"role": "tool", "tool_call_id": call.id, "content": "done"}
    messages: list[Any] = [{"role": "user", "content": "Go"}, turn, result]
    sent = anthropic_messages_pt(messages, model="claude-sonnet-4-5", llm_provider="anthropic")
    assert sent[1]["content"] == [
        {"type": "thinking", "thinking": "Let me think.", "signature": "c2lnbmVk"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
    ]
