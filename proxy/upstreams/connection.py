"""aiohttp's connection to a provider, with a short way for what nearly every read is: one whole chunk of the body.

Theory. aiohttp connects, pools, and parses heads, ends and all that is unusual. But its way to a reader is long: a
parser, a buffer, a future, and a task that wakes with all its coroutines. So while somebody listens, a read that is
exactly one chunk of a chunked body goes to them at once, within the event loop's callback. Between two chunks the
parser waits for nothing but the next one's size, so it does not miss a chunk that it never sees; `_Bounds` follows
whatever it does see, to know when that is. This halves what a chunk costs.
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler

Listener = Callable[[bytes | None], None]
"""Takes a chunk's bytes; None: something else has come, or the connection is gone, which the body's reader tells. Must
not raise."""

_MOST_DIGITS: Final = 4
"""Of the size of a chunk that goes this way. Larger ones are for the buffer, and its bound."""

_MOST_LINE: Final = 64 * 1024
"""The longest head or chunk-size line that is followed."""

_DIGITS: Final = b"0123456789abcdefABCDEF"


class Connection(ResponseHandler):
    """One connection. `listener` is told of what comes; for chunked, uncompressed bodies whose buffer is empty."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.listener: Listener | None = None
        self._bounds = _Bounds()
        self._paused_once = False

    def set_response_params(self, **params: Any) -> None:
        """A request begins."""
        self._bounds = _Bounds()
        self._paused_once = False
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        listener = self.listener
        if listener is not None and self._bounds.between:
            line = data.find(b"\r\n", 0, _MOST_DIGITS + 2)
            if _size(data[:line]) == len(data) - line - 4 > 0 and data.endswith(b"\r\n"):
                listener(data[line + 2 : -2])
                return
        self._bounds.follow(data)
        super().data_received(data)
        if self.listener is not None:
            self.listener(None)

    def connection_lost(self, error: BaseException | None) -> None:
        """See `asyncio.Protocol`."""
        super().connection_lost(error)
        if self.listener is not None:
            self.listener(None)

    def pause_reading(self) -> None:
        """Nobody reads what has come. From here on the parser may keep back what it was given."""
        self._paused_once = True
        self._bounds.lose()
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """aiohttp (3.14) resumes after every read, paused or not, and runs its parser once more for it: a tenth of what
        a chunk costs. It needs that only once there was a pause: the parser may take it up much later, and then keeps
        the rest of a read to itself."""
        if self._paused_once:
            super().resume_reading(resume_parser)


class _Bounds:
    """Where the chunks of one response end. `between`: what came last ended with a chunk, so another begins next."""

    __slots__ = ("_due", "_head", "_line", "between")

    def __init__(self) -> None:
        self.between = False
        self._head = True
        self._line = b""
        self._due: int | None = 0
        """The bytes of the chunk at hand that are still to come; None: lost, or the last chunk was there."""

    def lose(self) -> None:
        """Follow no more."""
        self._due, self._line, self.between = None, b"", False

    def follow(self, data: bytes) -> None:
        """More of the response has come."""
        if self._due is None:
            return
        data, self._line = self._line + data, b""
        at = self._due
        self._due = 0
        if self._head:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._keep(data)
                return
            self._head = False
        while at < len(data):
            end = data.find(b"\r\n", at)
            if end < 0:
                self._keep(data[at:])
                return
            size = _size(data[at:end])  # with an extension it is lost: the parser ends some at less than this line
            if size <= 0:
                self.lose()
                return
            at = end + size + 4
        self._due = at - len(data)
        self.between = not self._due

    def _keep(self, line: bytes) -> None:
        self.between = False
        self._line = line
        if len(line) > _MOST_LINE:
            self.lose()


def _size(line: bytes) -> int:
    """A chunk's size; -1 if the line is none. (`int` alone would take signs, blanks, `0x` and `_`.)"""
    return -1 if not line or line.strip(_DIGITS) else int(line, 16)
