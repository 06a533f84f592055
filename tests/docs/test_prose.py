"""The check of the project's English finds all violations, and nothing else."""

from pathlib import Path

import pytest

from scripts import prose
from scripts.prose import NOT_YET, ROOT, findings, in_markdown, in_python

LONG = "word " * 25


def lines(text: str) -> list[int]:
    """Return the lines of a document at which the check finds something."""
    return [finding.line for finding in in_markdown("page.md", text)]


def test_a_line_of_more_than_120_characters_is_found() -> None:
    assert lines("a" * 120) == []
    assert lines("# Title\n\n" + "a" * 121) == [3]


@pytest.mark.parametrize(
    "text",
    [
        f"| {LONG} |\n",
        f"```sh\n{LONG}\n```\n",
        f"   ```text\n{LONG}\n   ```\n",
        f"[page]: https://example.com/{'a' * 120}\n",
        f"<!-- keys: Server -->\n\n{LONG}\n<!-- end -->\n",
    ],
    ids=["table", "code", "indented code", "link", "generated"],
)
def test_a_long_line_may_stand_in(text: str) -> None:
    assert lines(text) == []
    assert lines(text + f"\n{LONG}\n") == [text.count("\n") + 2]


@pytest.mark.parametrize(
    "text",
    [
        "It reads; it checks; it sends.",
        "It has parts: one reads; one sends: both stop.",
        "It reads; it checks;\nand then; it sends.",
        "- It reads; it checks; it sends.",
        "| key | It reads; it checks; it sends. |",
        "<!-- keys: Server -->\n| key | reads; checks; sends |\n<!-- end -->",
    ],
)
def test_a_chain_of_semicolons_and_colons_is_found(text: str) -> None:
    assert len(lines(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It reads; it checks. It sends; it stops.",
        "It has two parts: one reads; one sends.",
        "- It reads; it checks\n- it sends; it stops",
        "It reads; it checks\n\nIt sends; it stops",
        "| It reads; it checks | It sends; it stops |",
        "See `a; b; c` and [a page](https://example.com:80/;a;b), at 12:30:15: read it.",
        "```sh\na; b; c; d\n```",
    ],
)
def test_a_single_semicolon_in_each_sentence_is_no_chain(text: str) -> None:
    assert lines(text) == []


@pytest.mark.parametrize("word", ["What", "Whether", "Who", "Which", "How", "Where", "When", "That", "Whatever"])
@pytest.mark.parametrize(
    "source",
    [
        '"""{} a module holds."""',
        'def f():\n    """{} it does."""',
        'class C:\n    """{} it is."""\n',
        'class C:\n    async def f(self):\n        """{} it does."""',
        'MAX = 1\n"""{} it bounds."""',
    ],
    ids=["module", "function", "class", "method", "constant"],
)
def test_a_docstring_with_a_relative_clause_first_is_found(source: str, word: str) -> None:
    (finding,) = in_python("module.py", source.format(word))
    assert finding.line == source[: source.index('"""')].count("\n") + 1
    assert word in finding.problem


@pytest.mark.parametrize("docstring", ["Return what is left.", "A thing that waits.", "Whole text."])
def test_a_docstring_with_a_verb_or_a_noun_first_is_not(docstring: str) -> None:
    found = list(in_python("module.py", f'def f():\n    """{docstring}"""\n'))
    assert found == []


def test_the_project_itself_is_clean() -> None:
    assert list(findings(ROOT)) == []


def test_each_exception_is_still_there() -> None:
    assert [package for package in NOT_YET if not (ROOT / package).exists()] == []


def test_files_of_a_project_are_found_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prose, "NOT_YET", ("proxy/later",))
    monkeypatch.setattr(prose, "DOCUMENTS_NOT_YET", ())
    for name in ("README.md", "docs/page.md", "proxy/now/run.py", "proxy/later/module.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('"""What it does; it reads; it sends."""\n')
    assert [finding.path for finding in findings(tmp_path)] == ["README.md", "docs/page.md", "proxy/now/run.py"]
