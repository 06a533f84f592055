"""The simulator's models and their answers.

A client can choose only by the model's name, because a gateway forwards few headers. Each model is therefore a row
here, and `names` adds options to it. A model reacts like a real one. It calls a tool if it must, reports its results,
gives JSON on request, and stops at the limit.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from proxy.simulator import samples
from proxy.simulator.answers import CHARACTERS_A_TOKEN, Answer, ToolUse, tokens_in
from proxy.simulator.asks import Ask, ToolSpec
from proxy.simulator.jsonsample import sample

LONG_TOKENS = 2000
MAX_TOKENS = 200_000
_PARALLEL_CALLS = 2


def repeated(text: str, tokens: int) -> str:
    """Repeat a text until it has `tokens` tokens. Raises ValueError above `MAX_TOKENS`."""
    if not 0 <= tokens <= MAX_TOKENS:
        raise ValueError(f"a text has at most {MAX_TOKENS} tokens")
    length = tokens * CHARACTERS_A_TOKEN
    return (text * (length // max(1, len(text)) + 1))[:length]


MODELS: dict[str, Callable[[Ask], Answer]] = {
    "sim": lambda ask: Answer(samples.CHAT),
    "sim-chat": lambda ask: Answer(samples.CHAT),
    "sim-zh": lambda ask: Answer(samples.CHINESE),
    "sim-secrets": lambda ask: Answer(samples.EVERYTHING),
    "sim-code": lambda ask: Answer(samples.CODE),
    "sim-json": lambda ask: Answer(json.dumps(sample(ask.schema or {}, samples.EVERYTHING), ensure_ascii=False)),
    "sim-tools": lambda ask: Answer(samples.CHAT, tools=_calls(ask)),
    "sim-reasoning": lambda ask: Answer(samples.CHAT, reasoning=samples.REASONING),
    "sim-refusal": lambda ask: Answer(refusal=samples.REFUSAL),
    "sim-long": lambda ask: Answer(repeated(samples.LONG, LONG_TOKENS)),
    "sim-echo": lambda ask: Answer(ask.prompt),
}
"""The models by name, each with its answer. `sim-echo` repeats the last user message."""

DEFAULT = "sim"
"""The model for all names that are not the simulator's own."""


def react(answer: Answer, ask: Ask) -> Answer:
    """Shape the answer for the request: report tool results, call tools, give JSON, show thoughts."""
    if ask.tool_results:
        answer = replace(answer, text=f"The tool said: {' | '.join(ask.tool_results)}. {answer.text}", tools=())
    elif ask.tools and (ask.forced or ask.tool_choice == "required"):
        answer = replace(answer, tools=answer.tools or _calls(ask))
    if answer.tools:
        answer = replace(answer, text="")
    elif ask.schema is not None and not _is_json(answer.text):
        value = sample(ask.schema, str(answer.text))
        answer = replace(answer, text=json.dumps(value, ensure_ascii=False))
    if ask.thinks and not answer.reasoning:
        answer = replace(answer, reasoning=samples.REASONING)
    return answer


def limited(answer: Answer, ask: Ask) -> Answer:
    """Cut the answer at the request's limit, as a provider does. Tool calls stay whole."""
    text = str(answer.text)
    if ask.max_tokens is None or tokens_in(answer.reasoning) + tokens_in(text) <= ask.max_tokens:
        return answer
    room = ask.max_tokens * CHARACTERS_A_TOKEN
    reasoning = answer.reasoning[:room]
    return replace(answer, reasoning=reasoning, text=text[: room - len(reasoning)], finish=answer.finish or "length")


def _calls(ask: Ask) -> tuple[ToolUse, ...]:
    """Return the forced tool, or the first ones: two at once unless the request forbids that."""
    if ask.tool_choice == "none":
        return ()
    wanted = [tool for tool in ask.tools if tool.name == ask.tool_choice] if ask.forced else ask.tools
    return tuple(_call(tool) for tool in islice(wanted, _PARALLEL_CALLS if ask.parallel else 1))


def _call(tool: ToolSpec) -> ToolUse:
    arguments = sample(tool.schema or {"type": "object"}, samples.EVERYTHING)
    return ToolUse(tool.name, json.dumps(arguments, ensure_ascii=False))


def _is_json(text: str | tuple[str, ...]) -> bool:
    return isinstance(text, str) and text[:1] in "{["
