"""How commands write for people: columns, and colours where there is a terminal.

Rule: what goes into a pipe or a file is plain text, and whole; so it is plain with `NO_COLOR` set, or `TERM=dumb`.
Whatever of a text could steer the terminal is shown escaped. Widths are those of a terminal, where a Chinese character
takes two columns.
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
    """A heading, or what matters in a line."""
    return click.style(text, bold=True)


def good(text: str) -> str:
    """What went well."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """What is wrong, or was taken out."""
    return click.style(text, fg="red", bold=True)


def late(text: str) -> str:
    """What waited, or what to look at."""
    return click.style(text, fg="yellow")


def faint(text: str) -> str:
    """What is beside the point."""
    return click.style(text, dim=True)


def json_text(value: Any) -> str:
    """A value as JSON on one line, in characters that can be written whatever it holds."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def shown(text: str, *, lines: bool = False) -> str:
    """A text with what could steer the terminal escaped; `lines` keeps its line breaks and tabs."""
    kept = "\n\t" if lines else ""
    return "".join(
        ch if ch in kept or unicodedata.category(ch) not in _STEERS else ch.encode("unicode_escape").decode()
        for ch in text
    )


def shortened(text: str, columns: int) -> str:
    """A text on one line, cut to a number of columns."""
    text = shown(text)
    if width(text) <= columns:
        return text
    taken, used = 0, 1
    while used + width(text[taken]) <= columns:
        used += width(text[taken])
        taken += 1
    return text[:taken] + "…"


def fitted(text: str, columns: int) -> str:
    """A text on one line: on a terminal cut to a number of columns, elsewhere whole."""
    return shortened(text, columns) if sys.stdout.isatty() else shown(text)


def counted(count: int, one: str) -> str:
    """A number of things: 1 rule, 2 rules."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def width(text: str) -> int:
    """The columns that a text takes, colours not counted."""
    plain = click.unstyle(text)
    return sum(2 if unicodedata.east_asian_width(ch) in "WF" else not unicodedata.combining(ch) for ch in plain)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """Rows as lines in columns; those numbered in `right` are flushed right."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            " " * (wide - width(cell)) + cell if at in right else cell + " " * (wide - width(cell))
            for at, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
