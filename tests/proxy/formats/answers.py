"""Random answers as a chain may give them, and reading what the encoder made of them."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from policies.events import Attachment, Event, Finish, Opaque, Text, ToolCall, Usage
from proxy.formats.sse import Parser

USAGE = Usage(3, 5, cached=1, reasoning=2, details={"prompt_tokens_details": {"audio_tokens": 0}, "cost": 0.5})

_texts = st.text(max_size=6) | st.sampled_from(["\ud83d", "\ude00", '"', "\\", "\u2028", "密碼", ""])
_names = st.sampled_from(["a", "b"])
_items = st.integers() | st.dictionaries(_names, _texts, max_size=2)
_members = st.fixed_dictionaries({}, optional={"seed": st.integers(), "token_ids": st.lists(_items, max_size=2)})
_token = st.fixed_dictionaries({"token": _texts, "logprob": st.just(-0.5), "top_logprobs": st.just([])})
_logprobs = st.fixed_dictionaries({"content": st.lists(_token, min_size=1, max_size=2)})


@st.composite
def answers(draw: st.DrawFn, *, plain: bool = False) -> list[list[Event]]:
    """Batches of events: choices interleaved, each begun in order and ended once. `plain`: without what the SDK's own
    accumulation cannot take (attachments, unknown members)."""
    open_choices = list(range(draw(st.integers(1, 3))))
    calls: dict[int, int] = {choice: 0 for choice in open_choices}
    events: list[Event] = [Text(choice, "content", "") for choice in open_choices]
    events += [Text(choice, "content", draw(_texts) or "a") for choice in open_choices]
    for _ in range(draw(st.integers(0, 25))):
        if not open_choices:
            break
        choice = draw(st.sampled_from(open_choices))
        kinds = ["text", "text", "call", "logprobs", "finish"]
        kinds += [] if plain else ["attachment", "delta", "choice", "chunk"]
        match draw(st.sampled_from(kinds)):
            case "text":
                channel: Any = draw(st.sampled_from(["content", "reasoning", "refusal"]))
                events.append(Text(choice, channel, draw(_texts)))
            case "call":
                events.append(_call(draw, choice, calls))
            case "finish":
                reason: Any = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
                events.append(Finish(choice, reason, draw(st.sampled_from([None, None, "token_cap/x"]))))
                open_choices.remove(choice)
            case "logprobs":
                events.append(Opaque(choice, "choice", {"logprobs": draw(_logprobs)}))
            case "attachment":
                name = draw(st.sampled_from(["annotations", "images", "thinking_blocks"]))
                events.append(Attachment(choice, name, [draw(_members.filter(bool))]))
            case "chunk":
                events.append(Opaque(None, "chunk", draw(_members.filter(bool))))
            case place:
                events.append(Opaque(choice, place, draw(_members.filter(bool))))
    events += [Finish(choice, "stop") for choice in open_choices]
    return _batches(draw, events)


def _call(draw: st.DrawFn, choice: int, calls: dict[int, int]) -> ToolCall:
    index = draw(st.integers(0, calls[choice]))
    if index < calls[choice]:
        return ToolCall(choice, index, arguments=draw(_texts) or "{")
    calls[choice] += 1
    return ToolCall(choice, index, f"call_{choice}_{index}", "f", draw(_texts))


def _batches(draw: st.DrawFn, events: Sequence[Event]) -> list[list[Event]]:
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=8)))
    return [list(events[a:b]) for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]


def unnumbered(events: Sequence[Any]) -> list[Any]:
    """The events, with the entries of attachments as they were before the encoder numbered them for OpenAI's SDK."""
    return [
        Attachment(event.choice, event.field, without_places(event.value))
        if isinstance(event, Attachment) and isinstance(event.value, list)
        else event
        for event in events
    ]


def without_places(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List entries without their `index`."""
    return [{name: value for name, value in entry.items() if name != "index"} for entry in entries]


def datas(stream: bytes) -> list[bytes]:
    """The data of each event."""
    return [record.data for record in Parser().feed(stream)]


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The parsed events but `[DONE]`."""
    return [json.loads(data) for data in datas(stream) if data != b"[DONE]"]
