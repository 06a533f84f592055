"""Grammar of model names: `sim-chat.pace-20.chunk-4.after-3-drop`.

A name is a model and options, separated by dots. An option is a name and values, separated by hyphens. Model names may
contain all of these characters. The header `x-sim: pace=20; after=3-drop` means the same. With JSON in it, the header
gives the members of an `Answer`. An unknown model or option is an error that lists the known ones.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from policies.events import FinishReason
from proxy.simulator.answers import Answer, FaultKind, InjectedFault, read_answer
from proxy.simulator.models import DEFAULT, MODELS, repeated
from proxy.simulator.samples import REASONING

_OURS = re.compile(r"sim(-|\.|$)")
_FINISHES = {"filter": "content_filter", "tools": "tool_calls"}


class BadName(ValueError):
    """A name or header outside the grammar. The message lists the known names."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the grammar: the meaning of its value, and its effect on an answer."""

    meaning: str
    apply: Callable[[Answer, str], Answer]


def _milliseconds(member: str) -> Callable[[Answer, str], Answer]:
    return lambda answer, value: _changed(answer, {member: int(value) / 1000})


def _count(member: str) -> Callable[[Answer, str], Answer]:
    return lambda answer, value: _changed(answer, {member: int(value)})


def _changed(answer: Answer, members: dict[str, Any]) -> Answer:
    return replace(answer, **members)


def _fault(answer: Answer, **members: Any) -> Answer:
    """Change the answer's fault or add one, because options come in any order."""
    return replace(answer, fault=replace(answer.fault or InjectedFault("stall"), **members))


def _after(answer: Answer, value: str) -> Answer:
    after, kind, *status = value.split("-")
    if kind not in get_args(FaultKind):
        raise ValueError
    return _fault(answer, after=int(after), kind=kind, **({"status": int(status[0])} if status else {}))


def _finish(answer: Answer, value: str) -> Answer:
    reason = _FINISHES.get(value, value)
    if reason not in get_args(FinishReason):
        raise ValueError
    return replace(answer, finish=cast(FinishReason, reason))


OPTIONS: dict[str, Option] = {
    "pace": Option("milliseconds between pieces", _milliseconds("pace")),
    "head": Option("milliseconds before the response's head", _milliseconds("head_delay")),
    "first": Option("milliseconds before the first piece", _milliseconds("first_delay")),
    "chunk": Option("characters a piece; 0: whole", _count("chunk")),
    "seed": Option("random pieces of up to twice `chunk`, from this seed", _count("seed")),
    "batch": Option("pieces a write", _count("batch")),
    "cut": Option("bytes a TCP write, wherever that cuts", _count("cut")),
    "drip": Option("milliseconds between TCP writes, of one byte or of `cut`", _milliseconds("drip")),
    "tokens": Option(
        "length of the text (4 characters a token)", lambda a, v: replace(a, text=repeated(str(a.text), int(v)))
    ),
    "think": Option(
        "tokens of reasoning before the text", lambda a, v: replace(a, reasoning=repeated(REASONING, int(v)))
    ),
    "finish": Option("finish reason: stop, length, tools or filter", _finish),
    "nousage": Option("tell no usage", lambda a, v: replace(a, tells_usage=False)),
    "fail": Option("HTTP error with this status", lambda a, v: _fault(a, kind="status", status=int(v))),
    "retry": Option("seconds in the error's Retry-After", lambda a, v: _fault(a, retry_after=int(v))),
    "times": Option("only the first so many calls fail", lambda a, v: _fault(a, times=int(v))),
    "hang": Option("no response at all", lambda a, v: _fault(a, kind="stall")),
    "drop": Option("connection closed before the head", lambda a, v: _fault(a, kind="drop")),
    "reset": Option("connection reset before the head", lambda a, v: _fault(a, kind="reset")),
    "after": Option("K-KIND: stall, drop, reset, error (or error-STATUS), eof or malformed after K pieces", _after),
}
"""The options, by name."""


def parse(name: str) -> tuple[str, list[tuple[str, str]]]:
    """Parse a model's name into (model, options). A name that is not the simulator's means `DEFAULT`. Raises
    BadName.
    """
    if not _OURS.match(name):
        return DEFAULT, []
    model, *options = name.split(".")
    if model not in MODELS:
        known = ", ".join(MODELS)
        raise BadName(f"The simulator has no model '{model}'. It has: {known}; other names answer as `{DEFAULT}` does.")
    return model, [(key, value) for key, _, value in (option.partition("-") for option in options)]


def parse_header(header: str | None) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Parse an `x-sim` header into (options, members of `Answer`). Raises BadName."""
    if not header:
        return [], {}
    if not header.lstrip().startswith("{"):
        pairs = [part.partition("=") for part in header.split(";") if part.strip()]
        return [(key.strip(), value.strip()) for key, _, value in pairs], {}
    try:
        given = json.loads(header)
        answer = read_answer(given)
    except ValueError as error:
        raise BadName(f"The x-sim header is {error}") from None
    return [], {name: getattr(answer, name) for name in given}


def apply(answer: Answer, options: list[tuple[str, str]]) -> Answer:
    """Apply the options to the answer, in order. Raises BadName."""
    for key, value in options:
        option = OPTIONS.get(key)
        if option is None:
            raise BadName(f"The simulator knows no option '{key}'. It knows: {', '.join(OPTIONS)}.")
        try:
            answer = option.apply(answer, value)
        except (ValueError, IndexError):
            raise BadName(
                f"Option '{key}' of a simulator's model cannot be '{value}'. It means: {option.meaning}."
            ) from None
    return answer
