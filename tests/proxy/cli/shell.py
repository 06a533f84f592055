"""Commands as people run them: in a pipe, and in a terminal."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATIENCE = 30
"""Seconds that a command gets: far more than it needs."""
COLUMNS = 100


@dataclass(frozen=True)
class Ended:
    """A finished command's output. In a terminal, `out` contains both streams."""

    code: int
    out: str
    err: str = ""


def _command(arguments: tuple[str, ...], environ: Mapping[str, str]) -> dict[str, object]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), **environ}
    env = {key: value for key, value in env.items() if value and key != "NO_COLOR"} | dict(environ)
    return {"args": [sys.executable, "-m", "proxy", *arguments], "env": env, "cwd": ROOT}


def piped(*arguments: str, stdin: str = "", **environ: str) -> Ended:
    """Run `sluice` with pipes on all sides."""
    given = _command(arguments, environ)
    done = subprocess.run(**given, input=stdin, capture_output=True, text=True, timeout=PATIENCE)  # type: ignore[call-overload]
    return Ended(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def terminal(*arguments: str, **environ: str) -> Iterator["Terminal"]:
    """Run `sluice` in a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    ends = {"stdin": slave, "stdout": slave, "stderr": slave, "start_new_session": True}
    with subprocess.Popen(**_command(arguments, environ), **ends, preexec_fn=_controlling) as process:  # type: ignore[call-overload]
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(master)


def _controlling() -> None:
    """Make the terminal the process's own, so that Ctrl-C reaches it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A terminal in which a command runs."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process = process
        self._master = master
        self._said = b""

    def type(self, text: str) -> None:
        r"""Press keys. `\x03` is Ctrl-C, `\x04` is Ctrl-D."""
        os.write(self._master, text.encode())

    def until(self, text: str) -> str:
        """Wait until the command has printed a text. Return all output so far."""
        while text.encode() not in self._said:
            assert self._read(), self._said.decode()
        return self._said.decode()

    def ended(self) -> Ended:
        """Wait for the command's end."""
        while self._read():
            pass
        code = self._process.wait(PATIENCE)
        return Ended(code, self._said.decode().replace("\r\n", "\n"))

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, self._said.decode()
        try:
            piece = os.read(self._master, 65_536)
        except OSError:  # Linux's way to say that the other side is closed
            piece = b""
        self._said += piece
        return bool(piece)


def shown(*arguments: str, **environ: str) -> Ended:
    """Run `sluice` in a terminal until it ends."""
    with terminal(*arguments, **environ) as running:
        return running.ended()
