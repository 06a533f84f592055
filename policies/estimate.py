"""Estimate of a text's tokens from its characters and bytes.

An estimate costs almost nothing and can be summed piece by piece, so a stream keeps a number and no text. It serves for
usage that a provider did not report, and for costs. Cuts at a token use a tokenizer.

A token is four characters of ASCII text. Every byte of UTF-8 beyond one per character adds three tenths of a token. A
Chinese character is therefore 0.85 tokens, a Cyrillic one 0.55, an emoji 1.15. For English, code and Chinese, the
estimate is within a quarter of o200k's count. Units are twentieths of a token. They are whole numbers, so that the
order of pieces does not change the sum.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from policies.steps import Steps, finished
from policies.texts import CONVERSATION, Texts

UNITS = 20
"""Units in a token."""

_CHARACTER = 5
_EXTRA_BYTE = 6
_MESSAGE = 4 * UNITS
_MEDIUM = 1000 * UNITS
"""Units of an image, a recording or a file. The real cost depends on its size and on the provider."""

_PIECE = 256
_AT_ONCE = 2000
"""Number of values that are read in one step."""
_VALUE = 64
"""Number of characters that take as long as a value."""
_LONG = 65_536
"""Number of characters of one text that are read in one step."""

_MEDIA = ("image_url", "input_audio", "file", "image", "document")
_ASKING = ("tools", "functions", "response_format")


def units(text: str) -> int:
    """Estimate a text, in units."""
    size = len(text)
    if text.isascii():
        return _CHARACTER * size
    return _CHARACTER * size + _EXTRA_BYTE * (len(text.encode("utf-8", "surrogatepass")) - size)


def within(text: str, room: float) -> int:
    """Count the characters of `text` that fit in `room` units."""
    if text.isascii():
        return min(len(text), max(0, int(room // _CHARACTER)))
    start = 0
    while start < len(text) and (needed := units(text[start : start + _PIECE])) <= room:
        room -= needed
        start += _PIECE
    for place, character in enumerate(text[start : start + _PIECE], start):
        room -= units(character)
        if room < 0:
            return place
    return len(text)


def tokens(count: float) -> int:
    """Convert units to whole tokens, rounded up."""
    return int(-(-count // UNITS))


def prompt_tokens(body: Mapping[str, Any], texts: Texts = CONVERSATION) -> int:
    """Estimate everything that a request gives the model to read, in tokens."""
    return finished(prompt_steps(body, texts))


def prompt_steps(body: Mapping[str, Any], texts: Texts = CONVERSATION) -> Steps[int]:
    """Do the work of `prompt_tokens` in steps."""
    conversations = texts.conversations(body)
    plain = [body.get(name) for name in texts.plain]
    read = yield from _read([*conversations, *plain, *(body.get(name) for name in _ASKING)])
    return tokens(_MESSAGE * sum(map(len, conversations)) + read) + sum(map(_numbers, plain))


def _numbers(value: Any) -> int:
    """Count the tokens that a client gave as numbers, in one list or several."""
    if not isinstance(value, list):
        return 0
    return sum(len(item) if isinstance(item, list) else type(item) is int for item in value)


def _read(value: Any) -> Steps[int]:
    """Sum the units of every text in a JSON value, including member names. A medium counts as a fixed amount."""
    total = done = 0
    waiting = [value]
    while waiting:
        value = waiting.pop()
        done += 1
        if isinstance(value, dict) and value.get("type") in _MEDIA:
            total += _MEDIUM
            continue
        for part in chain(value, value.values()) if isinstance(value, dict) else value:
            if isinstance(part, str):
                total += (yield from _long(part)) if len(part) > _LONG else units(part)
                done += min(len(part), _LONG) // _VALUE
            elif isinstance(part, list | dict):
                waiting.append(part)
            done += 1
            if done >= _AT_ONCE:
                done = 0
                yield
    return total


def _long(text: str) -> Steps[int]:
    """Sum the units of a long text. Characters beyond ASCII must be encoded for that."""
    total = 0
    for start in range(0, len(text), _LONG):
        total += units(text[start : start + _LONG])
        yield
    return total
