"""Reading a file that a configuration or a command line names.

Rule: it is a regular file of bounded size, or nothing of it is used. A device has no end, and opening a named pipe
waits for a writer: both would hold up a start, a reload or an exit. The open file counts, not its name: one that is
swapped or grows between the look at it and the read is found out. Links to regular files are followed: Kubernetes
mounts files so.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Final

from policies.base import UnusableFile

MAX_CONFIG_BYTES: Final = 2**20
"""Of a configuration's own file."""

MAX_WORDS_BYTES: Final = 50 * 2**20
"""Of all word lists of a configuration together. A list counts once for each rule that names it."""

MAX_WORD_LINES: Final = 5_000_000
"""Likewise of their lines: what a list takes to load goes by its words rather than by its bytes."""

_LINE_ENDS: Final = (
    b"\n",
    b"\r",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x1d",
    b"\x1e",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
)
"""Where `str.splitlines` cuts, in UTF-8."""
_AT_ONCE: Final = 2**20
_KINDS: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a named pipe"),
    (stat.S_ISSOCK, "is a socket"),
)


def read_file(path: str | os.PathLike[str], most: int, remedy: str) -> bytes:
    """What a file holds. `remedy` says what to do about one of more than `most` bytes. Raises `UnusableFile`."""
    return b"".join(_pieces(path, most, remedy))


def lines_of(data: bytes) -> int:
    """How many lines a text has, in UTF-8."""
    return 1 + sum(map(data.count, _LINE_ENDS)) - data.count(b"\r\n")


def digest_of(path: str | os.PathLike[str], most: int) -> tuple[bytes, int]:
    """The SHA-256 of what a file holds, and its size. Raises `UnusableFile`."""
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(path, most, "make it smaller"):
        digest.update(piece)
        size += len(piece)
    return digest.digest(), size


def _pieces(path: str | os.PathLike[str], most: int, remedy: str) -> Iterator[bytes]:
    """What a file holds, until it turns out to be more than `most` bytes."""
    try:
        _check(os.stat(path))  # before it is opened: opening a device may do something
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from None
    try:
        about = os.fstat(descriptor)
        _check(about)
        size = 0
        while True:
            if max(size, about.st_size) > most:
                raise UnusableFile(f"is larger than {_written(most)}", remedy)
            piece = os.read(descriptor, _AT_ONCE)
            if not piece:
                return
            size += len(piece)
            yield piece
    except OSError as error:
        raise _unreadable(error) from None
    finally:
        os.close(descriptor)


def _check(about: os.stat_result) -> None:
    if not stat.S_ISREG(about.st_mode):
        kind = next((kind for holds, kind in _KINDS if holds(about.st_mode)), "is a device")
        raise UnusableFile(kind, "name a regular file, or a link to one")


def _unreadable(error: OSError | ValueError) -> UnusableFile:
    if isinstance(error, ValueError):
        return UnusableFile("has a name that no file can have", "remove the unprintable characters from it")
    return UnusableFile(f"cannot be read ({error.strerror})", "check its name and its permissions")


def _written(size: int) -> str:
    return f"{size // 2**20} MiB" if size >= 2**20 else f"{size} bytes"
