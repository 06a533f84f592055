"""Arguments and results of tools, kept out of LiteLLM's mapping.

They come as JSON text and go up as JSON, and LiteLLM parses each. It also compares every call of a turn with every
other part of it, and drops calls that are equal. So each text is read here, once and within bounds; a ticket goes
through the mapping in its place, and is exchanged for the value afterwards.

Rule: the arguments of a call are the JSON text of an object. A result that is the JSON text of an object goes up as
that object, any other one as `{"content": <text>}`.
"""

from typing import Any, Final

from policies.steps import finished
from policies.work import OverBudget
from proxy.formats import jsonmarks
from proxy.formats.jsontext import loads

MAX_VALUES: Final = 100_000
"""Values and names of members in the arguments and results of a request."""

_NAME: Final = ""


class Tickets:
    """The texts of one request. Without `used` each text is checked and goes through the mapping itself."""

    def __init__(self, *, used: bool = True) -> None:
        self._used = used
        self._left = MAX_VALUES
        self._kept: list[Any] = []

    def arguments(self, text: str, where: str) -> str | None:
        """What goes through the mapping for a call's arguments; None if they are not the JSON text of an object. Raises
        `OverBudget`."""
        raw = _encoded(text)
        if not self._fits(raw):
            raise OverBudget(where)
        value = _object(raw)
        return None if value is None else self._ticket(value, text)

    def result(self, text: str, where: str) -> str:
        """What goes through the mapping for a tool's result. Raises `OverBudget`."""
        value = None
        if text.lstrip()[:1] in ("{", "["):  # as LiteLLM decides
            raw = _encoded(text)
            if self._fits(raw):
                value = _object(raw)
            elif not self._used:  # LiteLLM would parse it
                raise OverBudget(where)
        return self._ticket({"content": text} if value is None else value, text)

    def exchanged(self, value: Any) -> Any:
        """The value for a ticket; anything else as it is."""
        number = value.get(_NAME) if isinstance(value, dict) and len(value) == 1 else None
        return self._kept[number] if isinstance(number, int) and 0 <= number < len(self._kept) else value

    def _fits(self, raw: bytes) -> bool:
        """Take the text's values from the bound, if they are within it."""
        values = finished(jsonmarks.values(raw, self._left))
        if values > self._left:
            return False
        self._left -= values
        return True

    def _ticket(self, value: Any, text: str) -> str:
        if not self._used:
            return text
        self._kept.append(value)
        return f'{{"{_NAME}":{len(self._kept) - 1}}}'


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
