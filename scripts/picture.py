"""Draw a stream that is redacted: `python -m scripts.picture` writes docs/images/redaction.svg.

It runs the real gateway with its built-in simulator and config.yaml. It asks the simulator and the gateway for the same
answer at the same time, and records each piece of text with its time. The picture plays both recordings again.

The SVG needs no script and no font from elsewhere. A viewer without animations shows the end of both streams.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "redaction.svg"

MODEL = "sim-echo.pace-120.chunk-4"
ANSWER = (
    "Write to alice@example.com or call +886 912 345 678. Her card is 4111 1111 1111 1111, and the key of the account "
    "is AKIAIOSFODNN7EXAMPLE. Please keep it safe."
)
SECRETS = ("alice@example.com", "+886 912 345 678", "4111 1111 1111 1111", "AKIAIOSFODNN7EXAMPLE")
LABELS = ("[EMAIL]", "[TW_MOBILE]", "•••••••••••••••1111", "[AWS_ACCESS_KEY_ID]")

COLUMNS = 66
CHAR, LINE, SIZE, MARGIN = 11, 30, 18, 26
"""Pixels: the width of a character, the height of a line, the size of the font, the space around."""

PAUSE = 4.0
"""Seconds for which the end is shown before the recording starts again."""

READY = 60.0
"""Seconds that the gateway may take to start."""


class Piece(NamedTuple):
    """A piece of text, and the seconds from the request to its arrival."""

    at: float
    text: str


class Run(NamedTuple):
    """Neighbouring characters of one piece in one row and of one colour. `piece` is the piece's number."""

    piece: int
    row: int
    column: int
    text: str
    marked: bool


# ---- recording
def record(url: str) -> list[Piece]:
    """Ask for the answer as a client does, and record its pieces."""
    body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": ANSWER}]}
    headers = {"content-type": "application/json", "authorization": "Bearer none"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    start, pieces = time.monotonic(), list[Piece]()
    with urllib.request.urlopen(request) as response:
        for line in response:
            at = time.monotonic() - start
            if line.startswith(b"data: {"):
                choices = json.loads(line.removeprefix(b"data: "))["choices"]
                if choices and (text := choices[0]["delta"].get("content")):
                    pieces.append(Piece(at, text))
    return pieces


def both() -> tuple[list[Piece], list[Piece]]:
    """Run the gateway. Return the pieces that the provider sends, and those that the client receives."""
    gateway, simulator = _free_port(), _free_port()
    environment = os.environ | {"SLUICE_PORT": str(gateway), "SLUICE_SIMULATOR_PORT": str(simulator)}
    command = [sys.executable, "-m", "proxy", "serve", "--config", "config.yaml", "--log-level", "error"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait_until_ready(f"http://127.0.0.1:{gateway}/readyz")
        urls = [f"http://127.0.0.1:{port}" for port in (simulator, gateway)]
        with ThreadPoolExecutor(2) as pool:
            for _ in range(2):  # the first time opens connections and compiles
                sent, received = pool.map(record, urls)
        return sent, received
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_ready(url: str) -> None:
    end = time.monotonic() + READY
    while True:
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


# ---- drawing
def draw(sent: Sequence[Piece], received: Sequence[Piece]) -> str:
    """Draw both recordings as an animated SVG."""
    upper, lower = list(_layout(sent, SECRETS)), list(_layout(received, LABELS))
    period = max(piece.at for piece in [*sent, *received]) + PAUSE
    width = 2 * MARGIN + COLUMNS * CHAR
    middle = MARGIN + (2 + _rows(upper)) * LINE
    height = middle + (1 + _rows(lower)) * LINE + MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' role="img" aria-labelledby="title">',
            '<title id="title">A provider sends personal data in pieces of four characters. The client receives labels '
            "in its place.</title>",
            f"<style>\n{_STYLE}\n{_keyframes('s', sent, period)}\n{_keyframes('r', received, period)}\n</style>",
            f'<rect class="screen" width="{width}" height="{height}" rx="10"/>',
            _title("The provider sends, 4 characters at a time", MARGIN),
            *_runs("s", upper, MARGIN + LINE),
            f'<path class="line" d="M{MARGIN} {middle - LINE // 2}H{width - MARGIN}"/>',
            _title("The client receives, from Sluice", middle),
            *_runs("r", lower, middle + LINE),
            "</svg>\n",
        )
    )


_STYLE = (
    f"text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d6deeb}}\n"
    f".title{{font:600 {SIZE - 4}px system-ui,sans-serif;fill:#8b9bb4}}\n"
    ".screen{fill:#0d1521}.line{stroke:#2b3a52}.odd{fill:#22344f}.even{fill:#152236}\n"
    "text.sent{fill:#ff8f8f}text.received{fill:#7fe3a1}"
)


def _keyframes(name: str, pieces: Sequence[Piece], period: float) -> str:
    """Write the animation of each piece: hidden until its time, in each period anew."""
    rules = [
        f".{name}{n}{{animation:{name}{n} {period:.2f}s steps(1) infinite}}"
        f"@keyframes {name}{n}{{0%{{opacity:0}}{100 * piece.at / period:.2f}%{{opacity:1}}}}"
        for n, piece in enumerate(pieces)
    ]
    return "\n".join(("@media (prefers-reduced-motion:no-preference){", *rules, "}"))


def _layout(pieces: Sequence[Piece], marks: Sequence[str]) -> Iterator[Run]:
    """Break the text into rows at spaces, and into runs."""
    text = "".join(piece.text for piece in pieces)
    marked = set[int]()
    for mark in marks:
        marked.update(range(text.index(mark), text.index(mark) + len(mark)))
    owners = [n for n, piece in enumerate(pieces) for _ in piece.text]
    places = list(_places(text))
    shown = [at for at in range(len(text)) if places[at][1] < COLUMNS]
    for (piece, row, hit), group in groupby(shown, lambda at: (owners[at], places[at][0], at in marked)):
        run = list(group)
        yield Run(piece, row, places[run[0]][1], text[run[0] : run[-1] + 1], hit)


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Yield each character's row and column. A space at a row's end is beyond the last column."""
    row = column = 0
    for word in text.split(" "):
        if column + len(word) > COLUMNS:
            row, column = row + 1, 0
        yield from ((row, column + n) for n in range(len(word) + 1))
        column += len(word) + 1


def _rows(runs: Sequence[Run]) -> int:
    return 1 + max(run.row for run in runs)


def _title(text: str, top: int) -> str:
    return f'<text class="title" x="{MARGIN}" y="{top + SIZE}">{text}</text>'


def _runs(name: str, runs: Sequence[Run], top: int) -> Iterator[str]:
    """Draw runs, each piece in a group of its own. Alternating shades show the pieces."""
    for piece, group in groupby(runs, lambda run: run.piece):
        shapes = "".join(_run(run, top, "sent" if name == "s" else "received") for run in group)
        yield f'<g class="{name}{piece}">{shapes}</g>'


def _run(run: Run, top: int, colour: str) -> str:
    x, y, width = MARGIN + run.column * CHAR, top + run.row * LINE, len(run.text) * CHAR
    box = f'<rect class="{"odd" if run.piece % 2 else "even"}" x="{x}" y="{y}" width="{width}" height="{LINE - 5}"/>'
    if not (text := run.text.rstrip(" ")):
        return box
    left = len(text) - len(text.lstrip(" "))
    shown = text.lstrip(" ")
    kind = f' class="{colour}"' if run.marked else ""
    place = f'x="{x + left * CHAR}" y="{y + SIZE}" textLength="{len(shown) * CHAR}"'
    return f"{box}<text{kind} {place}>{escape(shown)}</text>"


def main() -> None:
    """Record, draw and write the picture. Fail if the client received a secret."""
    sent, received = both()
    got = "".join(piece.text for piece in received)
    assert "".join(piece.text for piece in sent) == ANSWER and not any(secret in got for secret in SECRETS)
    PICTURE.write_text(draw(sent, received), encoding="utf-8")


if __name__ == "__main__":
    main()
