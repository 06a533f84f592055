"""Server-sent events cut out of bytes, as WHATWG's specification says, with three differences, because some servers
need them: a last event counts without its blank line, a field `error` is an error (llama.cpp), and a line that begins
with `{` is data (errors that a proxy writes into a stream, and streams of bare JSON lines).

Rule: bytes in, records out; text is not decoded here, so that a read may end inside a character. Line endings become
`\\n` as they arrive; an event is what stands before an empty line. Each byte is searched once, however small the reads,
and no event may outgrow its bound.
"""

from typing import Final, NamedTuple

MAX_LINES: Final = 16_384
"""Lines of one event: each is an object of its own while they are told apart."""

_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One event: its `event:` name (None if none was given) and its `data:` lines, joined by `\\n`."""

    event: str | None
    data: bytes


class EventTooLarge(ValueError):
    """One event is larger than the parser's bound. The events before it in the same read are lost with it."""


class Parser:
    """Takes one response's bytes, cut anywhere. After an `EventTooLarge` every further call raises it again."""

    def __init__(self, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self._limit = max_event_bytes
        self._rest = bytearray()
        self._head: bytes | None = b""
        self._after_cr = False
        self._dead = False

    @property
    def clean(self) -> bool:
        """Whether nothing is left of what came before: what comes next begins an event."""
        return self._head is None and not self._rest and not self._after_cr

    @property
    def blank(self) -> bool:
        """Whether what is left are blank lines."""
        return not self._rest.strip()

    def feed(self, data: bytes) -> list[Record]:
        """The events that these bytes complete. Raises `EventTooLarge`."""
        if self._dead:
            raise self._too_large()
        if self._head is not None:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        rest = self._rest
        if rest:
            searched = len(rest) - 1
            rest += data
            if rest.find(b"\n\n", searched) < 0:
                self._check(len(rest) - 1)  # its last byte may be half of the empty line
                return []
            data = bytes(rest)
            rest.clear()
        end = data.rfind(b"\n\n")
        if end < 0:
            rest += data
            self._check(len(rest) - 1)
            return []
        rest += data[end + 2 :]
        self._check(len(rest) - 1)
        if end > self._limit:
            self._check(max(len(block.strip(b"\n")) for block in data[:end].split(b"\n\n")))
        return self._cut(data[:end])

    def eof(self) -> list[Record]:
        """The event that the end of the bytes completes, if there is one. Raises `EventTooLarge`."""
        if self._dead:
            raise self._too_large()
        block = bytes(self._rest).strip(b"\n")
        self._check(len(block))
        self._rest.clear()
        return self._cut(block)

    def _cut(self, text: bytes) -> list[Record]:
        if text.count(b"\n") > MAX_LINES and any(block.count(b"\n") > MAX_LINES for block in text.split(b"\n\n")):
            self._dead = True
            raise self._too_large()
        return _records(text)

    def _without_bom(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _with_newlines(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check(self, size: int) -> None:
        if size > self._limit:
            self._dead = True
            self._rest.clear()
            raise self._too_large()

    def _too_large(self) -> EventTooLarge:
        return EventTooLarge(
            f"A server-sent event exceeds {self._limit} bytes or {MAX_LINES} lines; "
            "check that base_url points to a streaming chat API."
        )


def _records(text: bytes) -> list[Record]:
    if text.startswith(b"data: "):
        datas = text[6:].split(b"\n\ndata: ")
        if text.count(b"\n") == 2 * len(datas) - 2:  # nothing but one-line events, as all providers send
            return [Record(None, data) for data in datas]
    return [record for block in text.split(b"\n\n") if (record := _record(block))]


def _record(block: bytes) -> Record | None:
    event = None
    lines = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"event":
            event = value.removeprefix(b" ").decode(errors="replace") or None
        elif line.startswith(b"{"):
            lines.append(line)
        elif field == b"error":
            return Record("error", b'{"error":%b}' % (value.strip() or b"true"))
    return Record(event, b"\n".join(lines)) if lines else None
