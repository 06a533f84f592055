"""Chunks that differ in one text alone, as nearly all of a stream's do, read without parsing them whole.

Theory. Put another string literal in place of one in a JSON document, and the document differs in that string alone. So
when a chunk was parsed and gave one piece of text and nothing else, the bytes around that text are remembered; the next
chunk that has them around a valid literal says the same of another text. `obfuscation`, OpenAI's random padding, may
differ too where nobody looks at it. This saves half of what decoding costs, a tenth of a chunk's whole way.
"""

import re
from typing import Final

from proxy.wire.jsontext import loads

_PADDING: Final = re.compile(rb'"obfuscation"\s*:\s*"[A-Za-z0-9]*(?=")')
_LITERAL: Final = re.compile(rb'(?:[^"\\]|\\.)*"', re.DOTALL)
_MOST_LESSONS: Final = 8
"""Templates that are learnt in vain before a stream is taken for one whose chunks differ in more than a text."""


class Template:
    """One answer's. `member` is the name under which the chunks have their text."""

    __slots__ = ("_after", "_before", "_key", "_lessons", "_tail")

    def __init__(self, member: str) -> None:
        self._key = re.compile(rb'"%b"\s*:\s*"' % member.encode())
        self._lessons = 0
        self.forget()

    def forget(self) -> None:
        """The next chunk is to be parsed."""
        self._before = b""
        self._after = b""
        self._tail: bytes | None = None

    def learn(self, data: bytes, text: str) -> bool:
        """A chunk gave `text` and nothing else. Whether the next one is read by it; if not, an earlier one still is."""
        if self._lessons >= _MOST_LESSONS:
            return False
        self._lessons += 1
        keys = list(self._key.finditer(data))
        found = _LITERAL.match(data, keys[0].end()) if len(keys) == 1 else None
        if found is None or loads(b'"' + found[0]) != text:
            return False
        self._before, self._after, self._tail = data[: found.start()], data[found.end() - 1 :], None
        if padding := _PADDING.search(self._after):
            end = padding.end()
            begin = self._after.rindex(b'"', 0, end) + 1
            self._after, self._tail = self._after[:begin], self._after[end:]
        return True

    def read(self, data: bytes) -> str | None:
        """The text of a chunk like the one that was learnt; None if it is another, or none was."""
        if not self._before or not data.startswith(self._before):
            return None
        if self._tail is None:
            if not data.endswith(self._after):
                return None
            end = len(data) - len(self._after)
        else:
            end = self._before_padding(data)
        if end < len(self._before):
            return None
        try:
            text = loads(b'"' + data[len(self._before) : end] + b'"')
        except ValueError:
            return None
        self._lessons = 0
        return text if type(text) is str and text else None

    def _before_padding(self, data: bytes) -> int:
        """Where the text ends in a chunk with padding; -1 if it is another kind of chunk."""
        tail = self._tail or b""
        end = data.rfind(self._after)
        padding = data[end + len(self._after) : len(data) - len(tail)]
        return end if data.endswith(tail) and (not padding or padding.isalnum()) else -1
