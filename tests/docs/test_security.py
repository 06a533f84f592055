"""SECURITY.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_each_test_that_holds_a_boundary_exists() -> None:
    named = re.findall(r"`(tests/[^`]+)`", TEXT)
    assert len(set(named)) > 15
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_each_page_that_it_links_to_exists() -> None:
    linked = re.findall(r"\]\(([^)#]+)", TEXT)
    assert linked and [path for path in linked if not (ROOT / path).is_file()] == []


def test_each_boundary_has_a_test() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| who")]
    assert len(rows) > 10 and [row for row in rows if "`tests/" not in row] == []
