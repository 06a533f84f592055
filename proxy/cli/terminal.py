"""Terminal output for people: columns, and colours if there is a terminal.

Output to a pipe or a file is plain and not shortened. Output is also plain if `NO_COLOR` is set or with `TERM=dumb`.
Text that could steer the terminal is escaped. Widths are terminal columns: a Chinese character takes two.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import click

_STEERS = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def set_colors(context: click.Context) -> None:
    """Let the command print colours only where they are wanted."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False


def bold(text: str) -> str:
    """Emphasize a heading or the important part of a line."""
    return click.style(text, bold=True)


def good(text: str) -> str:
    """Mark a success."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """Mark an error or removed text."""
    return click.style(text, fg="red", bold=True)


def late(text: str) -> str:
    """Mark delayed text or a warning."""
    return click.style(text, fg="yellow")


def faint(text: str) -> str:
    """Mark secondary details."""
    return click.style(text, dim=True)


def json_text(value: Any) -> str:
    """Write a value as JSON on one line, in characters that any output can encode."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def shown(text: str, *, lines: bool = False) -> str:
    """Escape what could steer the terminal. `lines` keeps line breaks and tabs."""
    kept = "\n\t" if lines else ""
    return "".join(
        ch if ch in kept or unicodedata.category(ch) not in _STEERS else ch.encode("unicode_escape").decode()
        for ch in text
    )


def shortened(text: str, columns: int) -> str:
    """Shorten a text to one line of at most `columns` columns."""
    text = shown(text)
    if width(text) <= columns:
        return text
    taken, used = 0, 1
    while used + width(text[taken]) <= columns:
        used += width(text[taken])
        taken += 1
    return text[:taken] + "…"


def fitted(text: str, columns: int) -> str:
    """Put a text on one line. On a terminal, cut it to `columns` columns."""
    return shortened(text, columns) if sys.stdout.isatty() else shown(text)


def counted(count: int, one: str) -> str:
    """Format a number of things: "1 rule", "2 rules"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def width(text: str) -> int:
    """Return the number of columns of a text, without colour codes."""
    plain = click.unstyle(text)
    return sum(2 if unicodedata.east_asian_width(ch) in "WF" else not unicodedata.combining(ch) for ch in plain)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """Align rows in columns. Right-align the columns whose numbers are in `right`."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            " " * (wide - width(cell)) + cell if at in right else cell + " " * (wide - width(cell))
            for at, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
