"""Shared parts of the redaction tests: secrets, gateways that look for them, and everything that a client received.

`said` reads all text in a response's choices, including unexpected members. Only the members that it names are not
text. A test that compares it with the expected text therefore sees every character of a secret.
"""

import asyncio
import json
from collections.abc import Awaitable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.end_to_end.running import Running
from tests.end_to_end.wire import Response, chat, client

_T = TypeVar("_T")

AT_ONCE = 40
"""Streams that run at the same time."""

_NOT_TEXT = frozenset({"role", "type", "id", "name", "index", "finish_reason", "x_sluice"})
_ENVELOPE = _NOT_TEXT | {"object", "created", "model", "service_tier", "system_fingerprint", "choices", "error"}
_GRAM = 5


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that a rule of `RULES` finds, and its replacement."""

    name: str
    text: str
    label: str


SECRETS = (
    Secret("email", "ann.lee@example.com", "[EMAIL]"),
    Secret("card", "4012 8888 8888 1881", "***************1881"),
    Secret("key", "sk-" + "a1B2c3D4" * 3, "[KEY]"),
    Secret("words", "身分證字號", "*****"),
)
RULES: dict[str, list[dict[str, Any]]] = {
    "redact/pii": [
        {"name": "email", "entity": "email", "replace": "[EMAIL]"},
        {"name": "card", "entity": "credit_card", "mask": "*", "keep_last": 4},
        {"name": "words", "words": ["身分證字號"], "mask": "*"},
    ],
    "redact/keys": [{"name": "key", "regex": "sk-[A-Za-z0-9]{20,}", "replace": "[KEY]"}],
}
REDACTION = tuple(RULES)

TEXT = "To " + ", or ".join(secret.text for secret in SECRETS) + "。 Bye 🌍."
REDACTED = "To " + ", or ".join(secret.label for secret in SECRETS) + "。 Bye 🌍."
"""All secrets in one text, and the client's text for it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A secret of which the provider has sent `length` characters when the answer ends."""

    secret: Secret
    length: int

    @property
    def begun(self) -> str:
        return self.secret.text[: self.length]

    @property
    def name(self) -> str:
        """A model's name, one for each cut."""
        return f"{self.secret.name}-{self.length}"


CUTS = tuple(Cut(secret, length) for secret in SECRETS for length in range(1, len(secret.text)))
"""Every position inside every secret."""


def yaml(**members: Any) -> str:
    """Top-level members of a configuration. JSON is YAML. They are formatted by `running`."""
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in members.items())
    return "".join(lines).replace("{", "{{").replace("}", "}}")


def policies(more: Mapping[str, Any] | None = None, default: Sequence[str] = REDACTION) -> str:
    """Make the policies of `RULES` and more, and the models' default ones."""
    redacting = {name: {"rules": rules} for name, rules in RULES.items()}
    return yaml(default_policies=list(default), policies=redacting | dict(more or {}))


def model_of(prefix: str, provider: str, chain: Iterable[str], **settings: Any) -> str:
    """Make a line of `models`: `prefix-provider-*` is that provider's, with this chain of policies."""
    target = {"target": f"{provider}/*", "policies": list(chain), **settings}
    return f'  "{prefix}-{provider}-*": {json.dumps(target)}\n'.replace("{", "{{").replace("}", "}}")


def by_hand(url: str) -> str:
    """Configure a gateway whose three providers are one server, with `native-` before a model for whole answers.

    It is formatted by `running`.
    """
    paths = {"openai": "/v1", "anthropic": "", "gemini": ""}
    targets = {f"{name}-*": {"target": f"{name}/*"} for name in paths}
    targets |= {f"native-{key}": {**target, "whole": "native"} for key, target in targets.items()}
    return yaml(
        server={"port": 0, "drain_seconds": 0},
        providers={name: {"api_key": f"key-{name}", "base_url": url + path} for name, path in paths.items()},
        models=targets,
    )


async def answered(run: Running, model: str, stream: bool, *, prompt: str = "hello", **members: Any) -> Response:
    """The response to one request on a connection of its own."""
    async with client(run.port) as asker:
        await asker.send(chat(model, prompt=prompt, stream=stream, **members))
        return await asker.response(seconds=20)


async def together(work: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """The results of all, some at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(each: Awaitable[_T]) -> _T:
        async with room:
            return await each

    return await asyncio.gather(*(one(each) for each in work))


def said(response: Response) -> dict[str, str]:
    """Return all text in a response by its place (`0.content` is the content of choice 0), joined, without
    empty texts.
    """
    streamed = "text/event-stream" in response.headers.get("content-type", "")
    bodies = [event for event in response.events if event != "[DONE]"] if streamed else [response.json]
    found: dict[str, str] = {}
    for body in bodies:
        for place, text in _of_body(body):
            found[place] = found.get(place, "") + text
    return {place: text for place, text in found.items() if text}


def _of_body(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in body.items():
        if name not in _ENVELOPE:
            yield from _texts(value, name)
    for position, choice in enumerate(body.get("choices") or ()):
        index = choice.get("index", position)
        for name in choice.keys() - _NOT_TEXT:
            yield from _texts(choice[name], str(index) if name in ("delta", "message") else f"{index}.{name}")


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield place, value
        case dict():
            for name, member in value.items():
                if name not in _NOT_TEXT:
                    yield from _texts(member, f"{place}.{name}")
        case list():
            for position, member in enumerate(value):
                at = member.get("index", position) if isinstance(member, dict) else position
                yield from _texts(member, f"{place}.{at}")


def assert_hidden(wire: bytes | bytearray, secrets: Iterable[Secret] = SECRETS) -> None:
    """Assert that no five characters of a secret are in these bytes, however their JSON spells them."""
    text = bytes(wire).decode("utf-8", "replace")
    text += text.encode().decode("unicode_escape", "ignore")
    for secret in secrets:
        for start in range(len(secret.text) - _GRAM + 1):
            gram = secret.text[start : start + _GRAM]
            assert gram not in text, f"{gram!r} of the {secret.name} in {text[:2000]}"
