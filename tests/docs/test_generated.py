"""The generated parts of docs/ are up to date, and the commands in docs/cli.md run."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from policies import POLICIES
from proxy.cli.commands import main
from proxy.config.models import Config
from proxy.config.schema import _models
from scripts.generate import DOCS, documents
from tests.docs.recipes import ROOT, commands

MADE = documents()
CLI = (DOCS / "cli.md").read_text()
TROUBLE = (DOCS / "troubleshooting.md").read_text()
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
SHOWN = [command for text in (CLI, TROUBLE) for block in CONSOLE.findall(text) for command in commands(block)]


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_a_document_is_up_to_date(path: Path) -> None:
    assert path.read_text() == MADE[path], "run: python -m scripts.generate"


def test_the_reference_has_every_model() -> None:
    shown = set(re.findall(r"<!-- keys: (\w+) -->", (DOCS / "configuration.md").read_text()))
    in_prose = {"Config", "Auth", "Simulator"}
    assert shown | in_prose == {model.__name__ for model in _models(Config, *(k.config for k in POLICIES.values()))}


def test_every_command_has_its_help_in_the_docs() -> None:
    assert set(re.findall(r"<!-- help: (\w+) -->", CLI)) == {"sluice", *main.commands}


@pytest.mark.parametrize("arguments", [arguments for arguments, _ in SHOWN], ids=" ".join)
def test_a_command_in_the_docs_runs(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output


def test_troubleshooting_names_codes_and_messages_that_there_are() -> None:
    source = "".join(path.read_text() for folder in ("proxy", "policies") for path in (ROOT / folder).rglob("*.py"))
    codes = re.findall(r"`([a-z]+_[a-z_]+)`", "".join(re.findall(r"^\| \d{3}[^|]*", TROUBLE, re.M)))
    assert len(codes) > 10
    assert not [code for code in codes if f'"{code}"' not in source]
    said = source + (ROOT / "tests/proxy/cli/problems.txt").read_text()
    start = TROUBLE.split("## A client")[0]
    messages = [text.split("…")[0].strip() for text in re.findall(r"^\| `([^`]*)`", start, re.M)]
    assert len(messages) > 5 and not [text for text in messages if text not in said and ":12:" not in text]


def test_links_within_the_docs_lead_somewhere() -> None:
    for path in [*DOCS.glob("*.md"), ROOT / "README.md"]:
        for target, anchor in re.findall(r"\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)", path.read_text()):
            found = path.parent / target if target else path
            assert found.exists(), f"{path.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", found.read_text() if anchor else "", re.MULTILINE)
            assert not anchor or anchor in {_anchor(heading) for heading in headings}, f"{path.name}: #{anchor}"


def _anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
