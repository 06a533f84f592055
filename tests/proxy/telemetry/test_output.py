"""Lines for an output that may be slow, blocked, full or closed."""

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.telemetry.output import MAX_LINE_BYTES, LineWriter, Printed

LONG = 10.0
"""Maximum seconds until a line arrives, far more than it needs."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A reader and a writer."""
    reader, writer = os.pipe()
    yield reader, writer
    with contextlib.suppress(OSError):
        os.close(writer)
    os.close(reader)


def writer_to(fd: int, most: tuple[int, int] = (1000, 100_000)) -> LineWriter:
    return LineWriter(fd, lambda count: f"dropped {count}", most)


def read(reader: int, until: str) -> str:
    """Read up to the end of a line that contains `until`."""
    data = b""
    while until not in data.decode() or not data.endswith(b"\n"):
        assert select.select([reader], [], [], LONG)[0], f"nothing more came behind {data[-100:]!r}"
        data += os.read(reader, 65536)
    return data.decode()


def fill(fd: int) -> int:
    """Fill it, and return the number of bytes that fit."""
    os.set_blocking(fd, False)
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += os.write(fd, b"." * 4096)
    os.set_blocking(fd, True)
    return size


def test_lines_come_whole_and_in_their_order(pipe: tuple[int, int]) -> None:
    writer = writer_to(pipe[1])
    for number in range(500):
        writer.put(f"line {number}")
    assert writer.flush(LONG)
    assert read(pipe[0], "line 499") == "".join(f"line {number}\n" for number in range(500))
    assert writer.dropped == 0


@pytest.mark.parametrize("most", [(50, 10**9), (10**9, 50 * 6)])
def test_a_full_queue_drops_counts_and_tells_it_once_when_it_is_read_again(
    pipe: tuple[int, int], most: tuple[int, int]
) -> None:
    room = fill(pipe[1])
    writer = writer_to(pipe[1], most)
    began = time.monotonic()
    writer.put("first")
    while writer._lines:  # the thread has it in its hands, and cannot write it
        assert time.monotonic() - began < LONG
        time.sleep(0.001)
    for _ in range(150):
        writer.put("later")
    assert writer.dropped == 100 and len(writer._lines) == 50
    while room:
        room -= len(os.read(pipe[0], room))
    lines = read(pipe[0], "dropped").splitlines()
    assert writer.flush(LONG)
    writer.put("end")
    lines += read(pipe[0], "end").splitlines()
    assert lines.count("dropped 100") == 1
    assert [line for line in lines if not line.startswith("dropped")] == ["first", *["later"] * 50, "end"]
    assert writer.dropped == 100


def test_a_line_is_bounded_and_characters_that_cannot_be_encoded_are_no_matter(pipe: tuple[int, int]) -> None:
    writer = writer_to(pipe[1], (10, 10**6))
    writer.put("x" * 2 * MAX_LINE_BYTES)
    writer.put("lone \ud800")
    first, second = read(pipe[0], "lone").splitlines()
    assert len(first) == MAX_LINE_BYTES - 1 and first.endswith(" [cut]")
    assert second == r"lone \ud800"


def test_what_could_not_be_written_is_counted_and_told_when_it_can_be_again(pipe: tuple[int, int]) -> None:
    disk = os.open("/dev/full", os.O_WRONLY)
    writer = writer_to(disk)
    for _ in range(3):
        writer.put("lost")
        assert writer.flush(LONG)
    assert writer.dropped == 3
    os.dup2(pipe[1], disk)  # somebody has made room
    writer.put("well again")
    assert read(pipe[0], "dropped").splitlines() == ["well again", "dropped 3"]
    assert writer.dropped == 3
    os.close(disk)


def test_a_reader_that_is_gone_is_no_failure_of_who_writes(pipe: tuple[int, int]) -> None:
    reader, gone = os.pipe()
    os.close(reader)
    writer = writer_to(gone)
    for number in range(3):
        writer.put("lost")
        assert writer.flush(LONG) and writer.dropped == number + 1
    os.close(gone)


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = writer_to(pipe[1], (10**6, 10**7))
    lines = [f"{number:07} " + "x" * 100 for number in range(5000)]  # more than the pipe takes
    for line in lines:
        writer.put(line)
    assert read(pipe[0], "0004999").splitlines() == lines
    assert writer.dropped == 0


def test_a_flush_of_what_nobody_reads_ends_in_time(pipe: tuple[int, int]) -> None:
    fill(pipe[1])
    writer = writer_to(pipe[1])
    writer.put("stuck")
    began = time.monotonic()
    assert not writer.flush(0.1)
    assert time.monotonic() - began < LONG
    assert writer_to(pipe[1]).flush(LONG)  # there is nothing to write


def test_many_threads_may_write_and_one_within_its_own_call(pipe: tuple[int, int]) -> None:
    """A finalizer that warns may run at any moment, even while the same thread holds the lock."""
    writer = writer_to(pipe[1])
    threads = [threading.Thread(target=lambda: [writer.put("x") for _ in range(100)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    with writer._changed:
        writer.put("within")
    for thread in threads:
        thread.join()
    assert writer.flush(LONG)
    writer.put("end")
    lines = read(pipe[0], "end").splitlines()
    assert (lines.count("x"), lines.count("within"), lines[-1]) == (500, 1, "end")


# ---- what is printed
def test_what_is_printed_goes_out_in_whole_lines(pipe: tuple[int, int]) -> None:
    writer = writer_to(pipe[1])
    printed = Printed(writer, 2)
    for piece in ("two ", "pieces", "\nand", " a"):
        assert printed.write(piece) == len(piece)
    assert read(pipe[0], "pieces") == "two pieces\n"
    print(" print", file=printed, end="", flush=True)
    assert read(pipe[0], "and") == "and a print\n"
    try:
        raise KeyError("x")
    except KeyError:
        traceback.print_exc(file=printed)
    told = read(pipe[0], "KeyError").splitlines()
    assert (told[0], told[-1]) == ("Traceback (most recent call last):", "KeyError: 'x'")
    assert printed.fileno() == 2 and printed.writable() and printed.encoding == "utf-8" and not printed.isatty()


def test_what_is_printed_without_an_end_is_bounded(pipe: tuple[int, int]) -> None:
    printed = Printed(writer_to(pipe[1], (10, 10**6)), 2)
    for _ in range(3):
        printed.write("x" * MAX_LINE_BYTES)
    assert len(printed._held) <= MAX_LINE_BYTES


# ---- a process
ALL = """
import logging, sys, warnings
from proxy.telemetry.logs import set_up_logs
output = set_up_logs()
print("printed")
print("printed to stderr", file=sys.stderr)
warnings.warn("a warning")
logging.getLogger("sluice").info("a line")
logging.getLogger("other").warning("of another")
logging.getLogger("sluice.access").info("a request")
print("no end", end="")
output.leave(7)
"""


def test_all_that_a_process_says_goes_out_before_it_leaves(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", ALL], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (7, "a request\n")
    for told in ("printed\n", "printed to stderr\n", "a warning", '"a line"', '"of another"', "no end\n"):
        assert told in ended.stderr


def test_one_file_for_both_has_one_writer_and_so_one_order(tmp_path: Path) -> None:
    program = ALL.replace("output.leave", "assert output.stdout is output.stderr\noutput.leave")
    with (tmp_path / "out").open("w") as file:
        ended = subprocess.run([sys.executable, "-c", program], stdout=file, stderr=file, timeout=60, check=False)
    assert ended.returncode == 7
    told = (tmp_path / "out").read_text()
    assert told.index("of another") < told.index("a request") < told.index("no end")
