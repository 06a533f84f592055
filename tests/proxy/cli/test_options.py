"""Tab completion, and the errors for arguments that a command does not expect."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from proxy.cli.commands import main

CONFIG = """\
server: {host: "${NOT_SET_ANYWHERE}"}
providers: {openai: {api_key: k}}
models: {fast: {target: openai/a}, far: {target: openai/a}, "f*": {target: "openai/*"}, 1: {}}
policies: {redact/a: {rules: 3}, token_cap/b: {max_tokens: 9}}
"""
"""It is invalid in some places. The readable names are offered anyway."""


def offered(begun: str, *before: str) -> list[str]:
    return [item.value for item in ShellComplete(main, {}, "sluice", "_X").get_completions([*before], begun)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("models: {default: {}}\n")
    other = tmp_path / "op.yaml"
    other.write_text(CONFIG)
    return other


@pytest.mark.parametrize("command", ["try", "explain"])
def test_policies_and_models_of_the_file_are_offered(file: Path, command: str) -> None:
    assert offered("red", command, "--config", "op.yaml", "--policy") == ["redact/a"]
    assert offered("", command, "--config", "op.yaml", "--policy") == ["redact/a", "token_cap/b"]
    assert offered("f", command, "--config", "op.yaml", "--model") == ["fast", "far"]
    assert offered("", command, "--model") == ["default"]


@pytest.mark.parametrize("text", [None, b"a: [", b"\xff", b"3", b"models: 3", b"a: !x [\n"])
def test_a_file_that_cannot_be_read_offers_nothing(file: Path, text: bytes | None) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_bytes(text)
    assert offered("", "try", "--config", "op.yaml", "--model") == []


OF_FILE = [
    (["serve"], ["--config"]),
    (["try"], ["--file"]),
    (["try"], ["--body"]),
    (["telemetry", "test"], ["--config"]),
]


@pytest.mark.parametrize(("command", "option"), [*OF_FILE, (["check"], []), (["check"], ["--config"])])
def test_where_a_file_is_wanted_the_shell_completes_files(command: list[str], option: list[str]) -> None:
    [item] = ShellComplete(main, {}, "sluice", "_X").get_completions([*command, *option], "op")
    assert item.type == "file"


@pytest.mark.parametrize("command", [["serve"], ["explain"], ["telemetry", "test"], ["try", "--model", "m", "text"]])
def test_a_file_without_its_option_is_told_how_to_give_it(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "op.yaml"])
    assert result.exit_code == 2 and "did you mean --config op.yaml?" in result.stderr


def test_a_text_without_quotes_is_told() -> None:
    result = CliRunner().invoke(main, ["try", "--policy", "redact/pii", "Mail", "amy@corp.tw"])
    assert result.exit_code == 2 and "put text with spaces in quotes" in result.stderr


def test_check_takes_its_file_with_the_option_too(file: Path) -> None:
    by_option = CliRunner().invoke(main, ["check", "--config", "op.yaml"])
    assert by_option.stdout and by_option.stdout == CliRunner().invoke(main, ["check", "op.yaml"]).stdout
    twice = CliRunner().invoke(main, ["check", "op.yaml", "--config", "op.yaml"])
    assert twice.exit_code == 2 and "once" in twice.stderr


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by its name."""
    yield from main.commands.items()
    for command in main.commands.values():
        yield from getattr(command, "commands", {}).items()


def test_the_list_of_commands_fits_a_terminal_of_80_columns() -> None:
    context = click.Context(main, info_name="sluice", terminal_width=80, max_content_width=80)
    shown = main.get_help(context).partition("Commands:")[2]
    assert len(shown.split("\n")) - 1 == len(main.commands) and "..." not in shown
    assert max(len(command.get_short_help_str(200)) for _, command in commands()) <= 60


def test_the_example_of_cut_shows_that_the_beginning_of_a_key_is_held_back() -> None:
    epilog = main.commands["try"].epilog or ""
    [line] = [line for line in epilog.splitlines() if "--cut" in line]
    words, _, text = line.strip().removeprefix("sluice ").partition(" '")
    result = CliRunner().invoke(main, [*words.split(), text.removesuffix("'")])
    assert result.stdout == "my key is \n"
