"""How many tokens a text has, about, from its characters and bytes alone.

Rule: an estimate costs next to nothing and can be added up piece by piece, so a stream keeps a number and no text. It
is for usage that a provider did not tell and for costs; cuts at a token are made by a tokenizer.

Theory: a token is four characters of ASCII text, and every byte that UTF-8 needs beyond one a character adds three
tenths of a token: so a Chinese character is 0.85 tokens, a Cyrillic one 0.55, an emoji 1.15. English, code and Chinese
come out within a quarter of what o200k counts. Units are twentieths of a token: whole numbers, so that no order of
pieces changes the sum.
"""

from collections.abc import Iterator, Mapping
from typing import Any

UNITS = 20
"""Units in a token."""

_CHARACTER = 5
_EXTRA_BYTE = 6
_MESSAGE = 4 * UNITS
_MEDIUM = 1000 * UNITS
"""An image, a recording or a file. What it really costs depends on its size and on the provider."""

_MEDIA = ("image_url", "input_audio", "file", "image", "document")
_ASKING = ("tools", "functions", "response_format")


def units(text: str) -> int:
    """The estimate for a text, in units."""
    size = len(text)
    if text.isascii():
        return _CHARACTER * size
    return _CHARACTER * size + _EXTRA_BYTE * (len(text.encode("utf-8", "surrogatepass")) - size)


def within(text: str, room: float) -> int:
    """How many characters of `text` are within so many units."""
    if text.isascii():
        return min(len(text), max(0, int(room // _CHARACTER)))
    for place, character in enumerate(text):
        room -= units(character)
        if room < 0:
            return place
    return len(text)


def tokens(count: float) -> int:
    """Units as whole tokens, rounded up."""
    return int(-(-count // UNITS))


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """The estimate for all that a request gives the model to read."""
    total = 0
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        total += _MESSAGE + sum(_read(message))
    for name in _ASKING:
        total += sum(_read(body.get(name)))
    return tokens(total)


def _read(value: Any) -> Iterator[int]:
    """The units of every text in a JSON value, names of members included; one lump for a medium."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield units(value)
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            if value.get("type") in _MEDIA:
                yield _MEDIUM
            else:
                waiting += value.keys()
                waiting += value.values()
