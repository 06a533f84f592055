"""Run a guard's chain over the events of one stream."""

from collections.abc import Iterable, Sequence
from typing import Any

from policies.base import Context, Request
from policies.chain import Chain
from policies.events import End, Event, Finish, Text
from policies.json_guard import JSON_GUARD, JsonGuardConfig
from policies.steps import finished

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["cat", "dog"]}, "age": {"type": "integer"}},
    "required": ["kind"],
    "additionalProperties": False,
}


def chain(schema: Any = None, choices: int = 1, tools: bool = False, json: bool = True, **config: Any) -> Chain:
    context = Context("m", lambda: 0.0, json, choices)
    made = Chain([JSON_GUARD.build("json_guard/t", JsonGuardConfig(**config), context)])
    body: dict[str, Any] = {"model": "m", "response_format": {"type": "json_object"}}
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    if tools:
        body["tools"] = [{"type": "function", "function": {"name": "f"}}]
    request = Request(body)
    assert finished(made.request(request)) is request
    return made


def run(made: Chain, events: Iterable[Event]) -> list[Event]:
    return [out for event in events for out in made.feed(event)]


def answer(pieces: Sequence[str], reason: Any = "stop", choice: int = 0) -> list[Event]:
    return [*(Text(choice, "content", piece) for piece in pieces), Finish(choice, reason)]


def content(events: Iterable[Event], choice: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, Text) and (e.choice, e.channel) == (choice, "content"))


def natural(*parts: list[Event]) -> list[Event]:
    return [event for part in parts for event in part] + [End("natural")]
