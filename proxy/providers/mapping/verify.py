"""What went into LiteLLM's mapping has come out of it.

LiteLLM leaves out what it does not understand, and calls that it takes for copies. So what a request holds is counted
before the mapping and behind it: calls, their results, and media. The schemas of tools do not go through the mapping at
all: a ticket does, and is exchanged for the schema afterwards.

Rule: when something is missing the request is refused, and the refusal says what. Nothing is without effect in silence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.errors import InvalidRequest

_TICKET: Final = "sluice_ticket"
_MEDIA: Final = frozenset({"image_url", "file", "input_audio", "document"})


@dataclass(slots=True)
class Counted:
    """How many calls, results and media a conversation holds."""

    calls: int = 0
    results: int = 0
    media: int = 0


def check_conversation(messages: Sequence[Mapping[str, Any]], mapped: Counted) -> None:
    """Raises `InvalidRequest` when the mapping has lost something of the `messages` that went into it, or made
    something up."""
    given = _counted(messages)
    for what, before, after in (
        ("tool calls", given.calls, mapped.calls),
        ("results of tool calls", given.results, mapped.results),
        ("images and files", given.media, mapped.media),
    ):
        if before != after:
            raise InvalidRequest(
                f"messages hold {before} {what}, of which {after} could be translated for this provider: "
                "check their ids and forms, or use another model.",
                param="messages",
                code="untranslatable_messages",
            )


class SchemaTickets:
    """The schemas of one request's functions, and the tickets that go through the mapping for them."""

    def __init__(self) -> None:
        self._kept: list[dict[str, Any]] = []

    def ticket(self, members: dict[str, Any]) -> dict[str, Any]:
        """A schema for the mapping, which stands for the `members` of a function's declaration."""
        self._kept.append(members)
        number = str(len(self._kept) - 1)
        return {"type": "object", "properties": {_TICKET: {"type": "string", "description": number}}}

    def give_back(self, declared: Iterable[dict[str, Any]], member: str) -> None:
        """Exchange the tickets that the declarations have as their `member`. Raises `InvalidRequest` when one is
        missing."""
        missing = set(range(len(self._kept)))
        for function in declared:
            number = _number(function.get(member))
            if number in missing:
                missing.remove(number)
                del function[member]
                function.update(self._kept[number])
        if missing:
            raise InvalidRequest(
                f"{len(missing)} of the function tools could not be translated for this provider: give each another "
                "name, or use another model.",
                param="tools",
                code="untranslatable_tools",
            )


def _number(schema: Any) -> int:
    """The number of the ticket that became `schema`; -1 if it is none."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    told = properties.get(_TICKET) if isinstance(properties, Mapping) else None
    number = told.get("description") if isinstance(told, Mapping) else None
    return int(number) if isinstance(number, str) and number.isdecimal() else -1


def _counted(messages: Sequence[Mapping[str, Any]]) -> Counted:
    counted = Counted()
    for message in messages:
        counted.calls += len(message.get("tool_calls") or ()) + ("function_call" in message)
        counted.results += message["role"] in ("tool", "function")
        content = message.get("content")
        if isinstance(content, list):
            counted.media += sum(part.get("type") in _MEDIA for part in content)
        counted.media += len(message.get("images") or ())
    return counted
