"""Output that never keeps the process waiting: lines for stdout and stderr go through bounded queues.

Rule: in a process that serves, only a `LineWriter`'s thread writes to stdout or stderr. Whoever has a line puts it into
the queue and goes on. A line that finds the queue full is dropped and counted. When the reader is back, one line tells
how many were lost.

Why not `logging.handlers.QueueHandler` and `QueueListener`: their queue is bounded in records, not in bytes, a full one
is reported on stderr (which is what may be stuck), and stopping the listener waits for its thread without a limit.
"""

import contextlib
import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

MAX_QUEUED_LINES = 10_000
MAX_QUEUED_BYTES = 2 * 2**20
"""What one stream's queue holds: a reader may stop for some seconds under load, and memory stays small."""

MAX_LINE_BYTES = 64 * 2**10
"""A longer line is cut."""

MAX_WRITE_BYTES = 64 * 2**10
"""Bytes of lines that go out in one system call."""

PAUSE = 0.01
"""Seconds that the writer lets lines gather. Waking it for each line would cost the event loop more than the line."""

FLUSH_SECONDS = 1.0
"""Seconds that the lines which are left get when the process ends."""

_CUT = b" [cut]\n"


class LineWriter:
    """Writes lines to the file descriptor `fd`, from a thread of its own. `note` makes the text that tells how many
    lines were dropped. `most` bounds the queue in lines and in bytes.

    `put` may be called from any thread, and even by a finalizer that runs in the middle of another `put`: the lock is
    reentrant, and each figure that such a call could spoil is computed anew when the queue is empty."""

    def __init__(
        self, fd: int, note: Callable[[int], str], most: tuple[int, int] = (MAX_QUEUED_LINES, MAX_QUEUED_BYTES)
    ) -> None:
        self.dropped = 0
        self._fd = fd
        self._note = note
        self._most_lines, self._most_bytes = most
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._full = False
        self._untold = 0
        self._works = True
        self._idle = False
        self._ending = False
        self._changed = threading.Condition(threading.RLock())
        threading.Thread(target=self._run, name=f"sluice-output-{fd}", daemon=True).start()

    def put(self, line: str) -> None:
        """Take a line, without its line feed; never waits."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if len(data) > MAX_LINE_BYTES:
            data = data[: MAX_LINE_BYTES - len(_CUT)] + _CUT
        with self._changed:
            if self._has_room(len(data)):
                self._lines.append(data)
                self._bytes += len(data)
                if self._idle:
                    self._idle = False
                    self._changed.notify_all()
            else:
                self.dropped += 1
                self._untold += 1

    def flush(self, seconds: float) -> bool:
        """Wait until all lines are written, at most so long; whether they are."""
        with self._changed:
            self._ending = True
            return self._changed.wait_for(lambda: self._idle, max(seconds, 0))

    def _has_room(self, size: int) -> bool:
        """Whether the queue takes a line. One that was full takes lines again when it is half empty, so that what was
        dropped is told once, and not after each line."""
        if len(self._lines) >= self._most_lines or self._bytes + size > self._most_bytes:
            self._full = True
        return not self._full

    # ---- the thread
    def _run(self) -> None:
        while True:
            self._await_lines()
            if not self._ending:
                time.sleep(PAUSE)
            while (batch := self._take()) is not None:
                self._write_batch(*batch)

    def _await_lines(self) -> None:
        with self._changed:
            while not self._lines:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait()
            self._idle = False

    def _take(self) -> tuple[list[bytes], int] | None:
        """The next lines to write, and how many dropped ones they tell of; None when there is nothing to write."""
        with self._changed:
            taken: list[bytes] = []
            size = told = 0
            if self._untold and self._works and not self._full:
                told, self._untold = self._untold, 0
                taken.append(self._note(told).encode() + b"\n")
            while self._lines and size + len(self._lines[0]) <= MAX_WRITE_BYTES:
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._bytes = self._bytes - size if self._lines else 0
            if len(self._lines) <= self._most_lines // 2 and self._bytes <= self._most_bytes // 2:
                self._full = False
            return (taken, told) if taken else None

    def _write_batch(self, lines: list[bytes], told: int) -> None:
        left = memoryview(b"".join(lines))
        try:
            while left:
                left = left[self._write(left) :]
            self._works = True
        except OSError:
            self._works = False
            with self._changed:
                self.dropped += len(lines) - bool(told)
                self._untold += len(lines) - bool(told) + told

    def _write(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:  # whoever shares the descriptor has made it so
                writable = select.poll()
                writable.register(self._fd, select.POLLOUT)
                writable.poll()


class Printed(io.TextIOBase):
    """In place of `sys.stdout` and `sys.stderr`: texts go to the writer, whole lines at a time."""

    def __init__(self, writer: LineWriter, fd: int) -> None:
        super().__init__()
        self._writer = writer
        self._fd = fd
        self._held = ""
        self._lock = threading.RLock()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As a text file has it."""
        return "utf-8"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, text: str) -> int:
        with self._lock:
            lines, feed, rest = (self._held + text).rpartition("\n")
            self._held = rest
            if feed:
                self._writer.put(lines)
            if len(self._held) > MAX_LINE_BYTES:
                self.flush()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            held, self._held = self._held, ""
        if held:
            self._writer.put(held)


class Output:
    """A process's stdout and stderr: a writer for each, one for both if they are the same file. From here on
    `print`, warnings and tracebacks go to stderr's. `note` makes the text that tells how many lines were dropped, for
    a stream that is a terminal or not."""

    def __init__(self, note: Callable[[int, bool], str]) -> None:
        hold_standard_descriptors()
        self.terminals = _is_terminal(1), _is_terminal(2)
        self.stdout = LineWriter(_descriptor(sys.stdout, 1), lambda count: note(count, self.terminals[0]))
        self.stderr = self.stdout
        if not _same_file(1, 2):
            self.stderr = LineWriter(_descriptor(sys.stderr, 2), lambda count: note(count, self.terminals[1]))
        sys.stdout = sys.stderr = Printed(self.stderr, 2)

    @property
    def dropped(self) -> int:
        """Lines that were dropped since the start."""
        return self.stdout.dropped + (self.stderr.dropped if self.stderr is not self.stdout else 0)

    def leave(self, code: int) -> NoReturn:
        """End the process. What is not written within a second is lost. No thread is waited for, neither a writer nor
        one that waits for a disk."""
        until = time.monotonic() + FLUSH_SECONDS
        with contextlib.suppress(Exception):
            sys.stderr.flush()
            self.stdout.flush(FLUSH_SECONDS)
            self.stderr.flush(until - time.monotonic())
        os._exit(code)


def hold_standard_descriptors() -> None:
    """Open /dev/null in place of standard descriptors that are closed. Else the next connection would get the number,
    and what is printed would go into it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def _descriptor(stream: object, number: int) -> int:
    """The descriptor to write to: Python has no stream where it found the descriptor closed."""
    return number if stream is not None else os.open(os.devnull, os.O_WRONLY)


def _is_terminal(number: int) -> bool:
    return os.isatty(number)


def _same_file(one: int, other: int) -> bool:
    return os.path.samestat(os.fstat(one), os.fstat(other))
