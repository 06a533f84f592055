"""What is wrong with a configuration, and where.

Rule: all problems are told at once, in the file's order, up to a number that nobody reads to its end. None repeats a
value: it may be a secret.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys and list positions."""

_PLAIN_KEY = re.compile(r"[\w*/@:-]{1,64}")
MAX_FAULTS = 200
"""Problems of a kind that are looked for: each takes some work to tell, and nobody reads more at once."""

_MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where something starts; from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """A problem whose place follows from its path: `at` says whether its value is meant, or the key before it. `place`
    is given where the path does not tell it."""

    path: Path
    message: str
    at: Literal["key", "value"] = "value"
    place: SourceLocation | None = None


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem and its place; lines and columns count from 1. `path` is written as `models.fast.policies[0]`."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where} {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(Exception):
    """The configuration cannot be used. Its text has one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [str(problem) for problem in self.problems[:_MAX_SHOWN]]
        more = len(self.problems) - _MAX_SHOWN
        if more > 0:
            lines.append(f"… and {more} more" if len(self.problems) < MAX_FAULTS else f"… and {more} or more")
        return "\n".join(lines)


def written(path: Path) -> str:
    """A path as people write it; a key that could be misread is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _PLAIN_KEY.fullmatch(part) else repr(part if len(part) <= 64 else f"{part[:63]}…")
        text += f".{key}" if text else key
    return text
