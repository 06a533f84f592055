"""Check the mechanical rules of the project's English: `python -m scripts.prose`.

Markdown: lines have at most 120 characters, outside tables, code, generated parts and link definitions. A sentence has
at most one semicolon, and at most two colons and semicolons together. This counts in tables and generated parts too.

Python: a docstring begins with a verb or a noun phrase, not with a relative clause ("What…", "Whether…").
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/*.md", "deploy/**/*.md")
SOURCES = ("policies", "proxy", "benchmarks", "scripts", "tests")

NOT_YET = (
    "proxy/api",
    "proxy/config",
    "proxy/formats",
    "proxy/providers",
    "proxy/routing",
    "proxy/telemetry",
    "proxy/app.py",
    "proxy/gateway.py",
)
"""Packages whose docstrings are not checked yet, each with all that is in it. Take a name out once it is clean."""

DOCUMENTS_NOT_YET: tuple[str, ...] = ()
"""Documents that are not checked yet."""

CHAINS_NOT_YET = ("CHANGELOG.md",)
"""Documents whose sentences are not checked: the older entries of the change log stay as they were published."""

MAX_LINE = 120
MAX_SEMICOLONS = 1
MAX_MARKS = 2

_OPENINGS = re.compile(r"\W*(How|However|That|Wh(?:at|en|ere|ich|o|om)(?:ever)?|Whether|Whose|Why)\b", re.IGNORECASE)
"""First words of a docstring that begins with a relative clause."""

_FENCE = re.compile(r"\s*(```|~~~)")
_GENERATED = re.compile(r"<!-- \w+: [\w ]+ -->")
_LINK_DEFINITION = re.compile(r"\[[^\]]+\]: \S")
_BEGINS_BLOCK = re.compile(r"\s*([-*+]|\d+\.|#+|>|\|)(\s|$)")
_CODE_SPAN = re.compile(r"(`+).*?\1")
_LINK_TARGET = re.compile(r"\]\([^)]*\)")
_SENTENCE_END = re.compile(r"(?<=[.?!])[)*\"”]*\s")
_MARK = re.compile(r"[:;](?=\W*(?:\s|$))")


class Finding(NamedTuple):
    """One place that breaks a rule. `line` counts from 1."""

    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem}"


def in_markdown(path: str, text: str) -> Iterator[Finding]:
    """Find long lines and chains of semicolons in a document."""
    yield from _long_lines(path, text)
    if path not in CHAINS_NOT_YET:
        for line, block in _blocks(text):
            yield from _chains(path, line, block)


def in_python(path: str, source: str) -> Iterator[Finding]:
    """Find docstrings that begin with a relative clause, of modules, classes, functions and constants."""
    for line, docstring in _docstrings(ast.parse(source)):
        if word := _OPENINGS.match(docstring):
            yield Finding(path, line, f'the docstring begins with "{word[1]}": begin with a verb or a noun phrase')


def findings(root: Path) -> Iterator[Finding]:
    """Find what breaks a rule in all files of a project, but for the exceptions."""
    for pattern in DOCUMENTS:
        for path in sorted(root.glob(pattern)):
            document = path.relative_to(root).as_posix()
            if document not in DOCUMENTS_NOT_YET:
                yield from in_markdown(document, path.read_text(encoding="utf-8"))
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root)
            if "node_modules" not in name.parts and not any(name.is_relative_to(package) for package in NOT_YET):
                yield from in_python(name.as_posix(), path.read_text(encoding="utf-8"))


def _prose(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the lines outside code, each with its number, and true if it is in a generated part."""
    fence, generated = "", False
    for number, line in enumerate(text.splitlines(), 1):
        if mark := _FENCE.match(line):
            fence = "" if fence == mark[1] else fence or mark[1]
        elif not fence:
            generated = (generated and line != "<!-- end -->") or bool(_GENERATED.fullmatch(line))
            yield number, line, generated


def _long_lines(path: str, text: str) -> Iterator[Finding]:
    for number, line, generated in _prose(text):
        apart = generated or line.lstrip().startswith("|") or _LINK_DEFINITION.match(line)
        if len(line) > MAX_LINE and not apart:
            yield Finding(path, number, f"{len(line)} characters: a line has at most {MAX_LINE}")


def _blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield paragraphs, list items and cells of tables, each with the number of its first line."""
    start, lines, last = 0, list[str](), 0
    for number, line, _ in _prose(text):
        apart = not line.strip() or _BEGINS_BLOCK.match(line) or number != last + 1
        if apart and lines:
            yield start, " ".join(lines)
            lines = []
        last = number
        if line.lstrip().startswith("|"):
            yield from ((number, cell) for cell in re.split(r"(?<!\\)\|", line) if cell.strip())
        elif line.strip():
            start = start if lines else number
            lines.append(line.strip())
    if lines:
        yield start, " ".join(lines)


def _chains(path: str, line: int, block: str) -> Iterator[Finding]:
    plain = _LINK_TARGET.sub("]", _CODE_SPAN.sub("code", block))
    for sentence in _SENTENCE_END.split(plain):
        marks = _MARK.findall(sentence)
        if marks.count(";") > MAX_SEMICOLONS or len(marks) > MAX_MARKS:
            yield Finding(
                path, line, f"a chain of {' '.join(marks)} in one sentence, make it several: {sentence[:60]}…"
            )


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield each docstring with its line: each text that stands as a statement of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def main() -> int:
    """Print what breaks a rule. Return the exit code: 0 success, 1 problem found."""
    found = list(findings(ROOT))
    for finding in found:
        print(finding)
    if found:
        print(f"{len(found)} places break a rule of the project's English: see CONTRIBUTING.md")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
