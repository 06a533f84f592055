"""The benchmarks' own arithmetic and pictures."""

from xml.etree import ElementTree

import pytest

from benchmarks.charts import bars, lines
from benchmarks.measure import most


@pytest.mark.parametrize("limit", [0, 1, 24, 25, 130, 1_000, 2_000])
def test_the_most_streams_are_found_within_a_sixteenth_of_the_last_step(limit: int) -> None:
    found = most(lambda streams: streams <= limit)
    assert found <= limit
    assert limit - found <= max(2, limit // 16) or found >= 1_600


def test_bars_are_as_long_as_their_values() -> None:
    chart = ElementTree.fromstring(bars("t", [("nginx", 10.0, "10 µs"), ("Sluice <1>", 40.0, "40 µs")], "Sluice"))
    widths = [float(bar.attrib["width"]) for bar in chart if bar.tag.endswith("rect")]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.2)


def test_lines_mark_each_point_within_the_picture() -> None:
    chart = ElementTree.fromstring(lines("t", "x", {"a & b": [(1, 0.5), (100, 20), (4_000, 900)], "c": [(1, 3)]}))
    marks = [(float(m.attrib["cx"]), float(m.attrib["cy"])) for m in chart if m.tag.endswith("circle")]
    assert len(marks) == 4
    assert all(0 < x < 860 and 0 < y < 386 for x, y in marks)
    assert marks[0][0] < marks[1][0] < marks[2][0] and marks[0][1] > marks[1][1] > marks[2][1]
