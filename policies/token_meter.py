"""Find the end of a text's Nth token while the text is still arriving.

The result equals the tokenizer's result for the whole text, however it is cut. Released text is certain to be within
the N tokens. Uncertain text is held, at most `HOLD` characters.

Tokenizers of tiktoken's family first split a text by a regular expression, then encode each part by itself. At a
*boundary* that expression always splits, whatever stands around it, so the tokens before it can be counted and dropped.
`_BOUNDARY` matches pairs of characters that are a boundary in both cl100k and o200k. It need not know all of them. It
lists its characters one by one, so that no version of Unicode can make it wrong.

A token is at least one byte. While the bytes since the last boundary do not exceed the tokens that are left, nothing is
held or counted, and the tokenizer is not even loaded. When they do, everything up to the last boundary is counted at
once. A token has about four bytes, so most of the room comes back, and the total cost is that of encoding the answer
once. Only the last few tokens before the cap are checked word by word.

Chinese, Japanese and Korean have long runs without a boundary. There the tokenizer tells if the cut is already settled
(`Tokenizer.settled`), so that the provider is closed a few characters after the cap there, too.

Limitation: a run without a boundary that continues for `HOLD` characters beyond the certain part (a word of hundreds of
letters) is split there, as if it were two. So is one that pauses after some hundreds of characters. This too is the
same for every chunking, but a token may count as two.
"""

import re
from collections.abc import Callable

from policies.base import Tokenizer

HOLD = 64
"""Maximum number of characters that are held."""

WINDOW = 4096
"""Bytes of text that are kept before they are counted, however far the cap is."""

_DIGIT = "0-9"
_LETTER = "A-Za-zÀ-ÖØ-öø-ɏА-яЁёぁ-ゖァ-ヺ一-鿯가-힣"
_MARK = r"!-&(-/:-@\[-`{-~、。〈-】，．！？：；（）。「」《》…—“”\U0001F300-\U0001FAFF"
"""Characters that are not letters, digits, or white space. The apostrophe is missing, because it joins `don't`."""

_BOUNDARY = re.compile(
    r"(?<=\S)(?=[ \t])"
    rf"|(?<=[{_DIGIT}{_LETTER}])(?=[\r\n{_MARK}])"
    rf"|(?<=[{_DIGIT}])(?=[{_LETTER}])|(?<=[{_LETTER}])(?=[{_DIGIT}])"
    rf"|(?<=[\r\n])(?=[{_DIGIT}{_LETTER}])"
)
_NEAR = 256
_JOINED = 256
"""Bytes of pieces that are kept before they are joined. A small string is mostly overhead."""


class Meter:
    """Counts one text against `room` tokens. `over` is set when the text has more tokens."""

    def __init__(self, room: int, tokenizer: Callable[[], Tokenizer]) -> None:
        self.room = room
        self.over = False
        self._tokenizer = tokenizer
        self._open: list[str] = []
        self._bytes = 0
        self._waiting = 0  # characters that are held
        self._pending = 0
        self._count_at = WINDOW
        self._sure = 0  # bytes up to which there is nothing to do: at most the room and `_count_at`

    @property
    def held(self) -> int:
        """The number of characters taken and neither released nor cut off."""
        return 0 if self.over else self._waiting

    def feed(self, text: str) -> str:
        """Take the next piece. Return the text that is now certain to be within the room, held text first."""
        if self.over:
            return ""
        self._open.append(text)
        self._bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        return text if self._bytes <= self._sure else self._look(text)

    def _look(self, text: str) -> str:
        whole = "".join(self._open)
        most = min(self.room, self._count_at)
        if self._bytes > most:
            self._waiting += len(text)
            return self._decide(whole)
        self._open = [whole]
        self._sure = min(most, self._bytes + _JOINED)
        return text

    def pause(self) -> str:
        """Pause, because another text comes and this one may continue later.

        Return the held text that is within the room. If the text so far has more tokens, it is over.
        """
        if self.over or not self._open:
            return ""
        text = "".join(self._open)
        shown = len(text) - self._waiting
        tokens = self._tokenizer().count(text)
        if tokens > self.room:
            self.over = True
            self._keep("", 0, 0)
            return text[shown : self._tokenizer().cut(text, self.room)]
        start = _last_boundary(text, 0, len(text))
        if len(text) - start > _NEAR:  # otherwise each of many pauses would count a long run again
            start = len(text)
        self._pending = self._tokenizer().count(text[start:]) if start else tokens
        self.room -= tokens - self._pending
        self._keep(text, start, len(text))
        return text[shown:]

    @property
    def left(self) -> int:
        """Return the room left after the text, when it pauses."""
        return self.room - self._pending

    def resume(self, left: int) -> None:
        """Continue, with `left` tokens of room after the text before the pause."""
        self.room = left + self._pending
        self._pending = 0

    def finish(self) -> str:
        """End the text. It works like `pause`, but counts nothing that no longer needs a count."""
        return "" if self._bytes <= self.room else self.pause()

    def _decide(self, text: str) -> str:
        """Count the countable part, and return the certain part of `text`."""
        start, shown = 0, len(text) - self._waiting
        while True:
            sure = start + fitting(text, start, self.room)
            counted = _last_boundary(text, start, sure)
            if counted > start:
                self.room -= self._tokenizer().count(text[start:counted])
                start = counted
                continue
            if sure == len(text):
                break
            end = sure if self.room == 0 else _next_boundary(text, sure)
            if end is None:
                cut = self._tokenizer().settled(text[start:], self.room)
                if cut is not None:
                    self.over, sure = True, start + cut
                break
            tokens = self._tokenizer().count(text[start:end]) if self.room else 1
            if tokens > self.room:
                self.over = True
                sure = start + self._tokenizer().cut(text[start:end], self.room) if self.room else start
                break
            self.room -= tokens
            start = end
        sure = max(sure, shown)  # text sent at a pause cannot be taken back
        self._keep(text, start, sure)
        return text[shown:sure]

    def _keep(self, text: str, start: int, sure: int) -> None:
        rest = text[start:] if not self.over else ""
        self._open = [rest] if rest else []
        self._bytes = len(rest.encode("utf-8", "surrogatepass"))
        self._waiting = len(text) - sure
        self._count_at = max(WINDOW, 2 * self._bytes)
        self._sure = 0


def fitting(text: str, start: int, size: int) -> int:
    """Count the characters of `text` from `start` that fit in `size` bytes."""
    piece = text[start : start + size]
    if piece.isascii():
        return len(piece)
    data = piece.encode("utf-8", "surrogatepass")
    if len(data) <= size:
        return len(piece)
    while data[size] & 0xC0 == 0x80:
        size -= 1
    return len(data[:size].decode("utf-8", "surrogatepass"))


def boundaries(text: str) -> list[int]:
    """List places where a tokenizer is certain to split `text`."""
    return [found.start() for found in _BOUNDARY.finditer(text)]


def _last_boundary(text: str, start: int, sure: int) -> int:
    """Return the last boundary after `start`, up to `sure`, or `start` if there is none."""
    reach = _NEAR
    while True:
        begin = max(start + 1, sure - reach)
        last = start
        for found in _BOUNDARY.finditer(text, begin, sure + 1):
            last = found.start()
        if last > start or begin == start + 1:
            return last
        reach *= 8


def _next_boundary(text: str, sure: int) -> int | None:
    """Return the first boundary after `sure`, or the place where a run becomes too long to hold. None: not
    known yet.
    """
    found = _BOUNDARY.search(text, sure + 1, sure + HOLD + 1)
    if found is not None:
        return found.start()
    return sure + HOLD if len(text) > sure + HOLD else None
