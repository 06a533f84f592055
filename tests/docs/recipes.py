"""The recipes of docs/cookbook.md: files, a configuration, and commands with what they print."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
_RECIPE = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```", re.M | re.S)
MISSING: dict[str, dict[str, Any]] = {
    "providers": {"openai": {"api_key": "key"}},
    "models": {"m": {"target": "openai/gpt-4o-mini"}},
}


@dataclass
class Recipe:
    """One recipe. `commands` are arguments of sluice, each with the lines it prints."""

    title: str
    config: str = ""
    files: dict[str, str] = field(default_factory=dict)
    commands: list[tuple[list[str], str]] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write its files into a folder, with the rest of a complete configuration."""
        given = yaml.safe_load(re.sub(r"(?<![\"'])(\$\{[^}]*\})", r'"\1"', self.config))
        more = {key: value for key, value in MISSING.items() if key not in given}
        (folder / "config.yaml").write_text(self.config + (yaml.safe_dump(more) if more else ""))
        for name, text in self.files.items():
            (folder / name).write_text(text)


def recipes(text: str) -> Iterator[Recipe]:
    """The recipes in a Markdown text."""
    for title, body in _RECIPE.findall(text):
        recipe = Recipe(title)
        for language, name, block in _BLOCK.findall(body):
            match language:
                case "yaml":
                    recipe.config = block
                case "text" if name:
                    recipe.files[name] = block
                case "console":
                    recipe.commands += commands(block)
        yield recipe


def commands(block: str) -> Iterator[tuple[list[str], str]]:
    """Yield the commands of a console block, each with its output."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        line, _, printed = part.partition("\n")
        program, *arguments = shlex.split(line)
        assert program == "sluice", line
        yield arguments, printed
