"""Messages as span attributes, where `telemetry.content` asks for them.

Rule: what was said is taken from behind the policies, as the client got it. What was asked is taken as it went to the
provider, and only where no redact rule of the model is for answers alone: such a rule names what must not be shown, and
has not acted on the prompt. Every text is cut to a number of characters, and there are at most `MAX_PARTS`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.events import Event, Text, ToolCall
from policies.redact.config import RedactConfig
from policies.texts import CONVERSATION, Texts
from proxy.config.models import Config
from proxy.config.resolve import resolve
from proxy.formats.jsontext import dumps

MAX_PARTS = 256

_KINDS = {"content": "text", "reasoning": "reasoning", "refusal": "text"}


class Said:
    """Collects what the client of one request is sent."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._texts: dict[tuple[int, str], str] = {}
        self._calls: dict[tuple[int, int], dict[str, str]] = {}

    def clear(self) -> None:
        """Another attempt begins: of what a failed one said the client got nothing."""
        self._texts.clear()
        self._calls.clear()

    def hear(self, events: Sequence[Event]) -> None:
        """Take events that go to the client."""
        for event in events:
            match event:
                case Text(choice, channel, text) if text:
                    self._text((choice, channel), text)
                case ToolCall(choice, index):
                    self._call((choice, index), event)

    def messages(self, finish_reasons: Mapping[int, str]) -> str:
        """`gen_ai.output.messages`, in JSON."""
        choices = sorted({choice for choice, _ in (*self._texts, *self._calls)})
        return dumps([self._message(choice, finish_reasons.get(choice, "error")) for choice in choices]).decode()

    def _message(self, choice: int, reason: str) -> dict[str, Any]:
        parts: list[dict[str, str]] = [
            {"type": _KINDS[channel], "content": text} for (of, channel), text in self._texts.items() if of == choice
        ]
        parts += [{"type": "tool_call", **call} for (of, _), call in self._calls.items() if of == choice]
        return {"role": "assistant", "parts": parts, "finish_reason": reason}

    def _text(self, key: tuple[int, str], text: str) -> None:
        known = self._texts.get(key, "")
        if len(known) < self._most and (known or self._room()):
            self._texts[key] = known + text[: self._most - len(known)]

    def _call(self, key: tuple[int, int], event: ToolCall) -> None:
        if key not in self._calls and not self._room():
            return
        call = self._calls.setdefault(key, {"id": "", "name": "", "arguments": ""})
        call["id"] = call["id"] or (event.id or "")[: self._most]
        call["name"] = call["name"] or (event.name or "")[: self._most]
        call["arguments"] += event.arguments[: self._most - len(call["arguments"])]

    def _room(self) -> bool:
        return len(self._texts) + len(self._calls) < MAX_PARTS


def asked_messages(body: Mapping[str, Any], most: int, texts: Texts = CONVERSATION) -> str:
    """`gen_ai.input.messages` of a request's body, in JSON: its texts, each cut to `most` characters."""
    messages: list[dict[str, Any]] = []
    left = MAX_PARTS
    for message in _messages(body, texts):
        parts = _parts(message.get("content"), most)[:left]
        left -= max(len(parts), 1)
        messages.append({"role": message.get("role", ""), "parts": parts})
        if left <= 0:
            break
    return dumps(messages).decode()


def _messages(body: Mapping[str, Any], texts: Texts) -> Iterator[Mapping[str, Any]]:
    for conversation in texts.conversations(body):
        yield from conversation
    for name in texts.plain:
        value = body.get(name)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield {"role": "user", "content": text}


def prompts_may_be_shown(config: Config, name: str) -> bool:
    """Whether every redact rule of the model that was asked for acts on requests too."""
    resolved = resolve(config, name)
    if resolved is None:
        return False
    policies = resolved.settings.policies
    ids = config.default_policies if policies is None else policies
    for id in ids:
        policy = config.policies.get(id)
        if isinstance(policy, RedactConfig):
            directions = [rule.direction or policy.direction or "response" for rule in policy.rules]
            if "response" in directions:
                return False
    return True


def _parts(content: Any, most: int) -> list[dict[str, str]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content[:most]}]
    if not isinstance(content, list):
        return []
    texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return [{"type": "text", "content": text[:most]} for text in texts]
