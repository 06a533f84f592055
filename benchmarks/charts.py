"""Charts as hand-written SVG. Two kinds of picture need no plotting library.

A chart shows only the figures of its table. It is readable on light and dark backgrounds.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 860
_FONT: Final = "font-family='system-ui,sans-serif' font-size='13' fill='#6b7280'"
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed")
_OURS: Final = "#2563eb"
_THEIRS: Final = "#9ca3af"


def bars(title: str, rows: Sequence[tuple[str, float, str]], ours: str) -> str:
    """Draw horizontal bars from (name, value, formatted value). Names that begin with `ours` are coloured."""
    left, top, step = 290, 44, 26
    most = max(value for _, value, _ in rows)
    room = _WIDTH - left - 120
    parts = [_text(12, 24, title, weight="600")]
    for at, (name, value, told) in enumerate(rows):
        y, width = top + at * step, max(1.0, value / most * room)
        colour = _OURS if name.startswith(ours) else _THEIRS
        parts.append(_text(left - 10, y + 14, name, anchor="end"))
        parts.append(f"<rect x='{left}' y='{y}' width='{width:.1f}' height='18' rx='2' fill='{colour}'/>")
        parts.append(_text(left + width + 6, y + 14, told))
    return _svg(parts, top + len(rows) * step + 12)


Points = Sequence[tuple[float, float]]


def lines(title: str, across: str, series: Mapping[str, Points]) -> str:
    """Draw lines over logarithmic axes, from one on the horizontal axis. Each point is marked."""
    left, top, right, bottom = 70, 44, 640, 330
    points = [point for line in series.values() for point in line]
    x_low, x_high = _decades([max(1.0, x) for x, _ in points])
    y_low, y_high = _decades([y for _, y in points if y > 0])
    parts = [_text(12, 24, title, weight="600"), _text((left + right) / 2, bottom + 40, across, anchor="middle")]

    def place(x: float, y: float) -> tuple[float, float]:
        over = (math.log10(max(1.0, x)) - x_low) / (x_high - x_low)
        up = (math.log10(max(10.0**y_low, y)) - y_low) / (y_high - y_low)
        return left + over * (right - left), bottom - up * (bottom - top)

    for decade in range(y_low, y_high + 1):
        y = place(1, 10.0**decade)[1]
        parts.append(f"<path d='M{left} {y:.1f}H{right}' stroke='#9ca3af' stroke-opacity='.35'/>")
        parts.append(_text(left - 8, y + 4, f"{10.0**decade:g}", anchor="end"))
    for decade in range(x_low, x_high + 1):
        parts.append(_text(place(10.0**decade, 1)[0], bottom + 20, f"{10**decade:,}", anchor="middle"))
    for at, (name, line) in enumerate(series.items()):
        colour, places = _COLOURS[at % len(_COLOURS)], [place(x, y) for x, y in line]
        parts += _line(name, places, colour, right + 14, top + 16 + 22 * at)
    return _svg(parts, bottom + 56)


def _line(name: str, places: Sequence[tuple[float, float]], colour: str, x: float, y: float) -> list[str]:
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
    marks = [f"<circle cx='{px:.1f}' cy='{py:.1f}' r='3' fill='{colour}'/>" for px, py in places]
    line = f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"
    return [line, *marks, f"<rect x='{x}' y='{y - 9}' width='12' height='4' fill='{colour}'/>", _text(x + 18, y, name)]


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten that enclose all values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {_FONT} text-anchor='{anchor}' font-weight='{weight}'>{escape(text)}</text>"


def _svg(parts: Sequence[str], height: float) -> str:
    inside = "\n".join(parts)
    return f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height:.0f}'>\n{inside}\n</svg>\n"
