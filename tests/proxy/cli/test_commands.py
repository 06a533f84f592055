"""Each command in a pipe and in a terminal: its output, its colours, and its exit code."""

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proxy.cli.shell import piped, shown, terminal

ESCAPE = "\x1b["
MAIL = "Mail amy@corp.tw"


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("wrong") / "config.yaml"
    file.write_text("sever: {}\nproviders: {openai: {api_key: k}}\nmodels: {m: {target: openai/x}}\n")
    return str(file)


def test_check_of_a_right_file() -> None:
    in_pipe, in_terminal = piped("check"), shown("check")
    assert (in_pipe.code, in_pipe.err) == (0, "") and ESCAPE not in in_pipe.out
    assert in_terminal.code == 0 and "\x1b[32mconfig.yaml is valid." in in_terminal.out
    assert plain(in_terminal.out) == in_pipe.out


def test_check_of_a_wrong_file(wrong: str) -> None:
    in_pipe, in_terminal = piped("check", wrong), shown("check", wrong)
    assert in_pipe.code == in_terminal.code == 1
    assert in_pipe.out == f"{wrong}:1:1 sever: unknown key; did you mean 'server'?\n"
    assert in_pipe.err == f"{wrong}: 1 problem; the gateway would reject this file.\n"
    assert ESCAPE in in_terminal.out and plain(in_terminal.out) == in_pipe.out + in_pipe.err


def test_schema() -> None:
    in_pipe, in_terminal = piped("schema"), shown("schema")
    assert in_pipe.code == in_terminal.code == 0 and in_terminal.out == in_pipe.out
    assert json.loads(in_pipe.out)["title"] == "Sluice's configuration"


def test_try_in_a_pipe_gives_the_text_alone() -> None:
    done = piped("try", "--policy", "redact/pii", stdin=MAIL)
    assert (done.code, done.out) == (0, "Mail [EMAIL]\n")
    assert "email  redact/pii" in done.err and ESCAPE not in done.out + done.err


def test_try_in_a_terminal_shows_labels_in_red_and_what_waited_in_yellow() -> None:
    done = shown("try", "--policy", "redact/pii", "--chunk", "8", "Hello amy@corp.tw ok")
    assert done.code == 0
    assert done.out.startswith("Hello \x1b[31m\x1b[1m[EMAIL]\x1b[0m \x1b[33mok\x1b[0m\n")


def test_an_answer_cannot_steer_the_terminal() -> None:
    clearing = "before\x1b[2J\x07after"
    assert "before\\x1b[2J\\x07after" in plain(shown("try", "--policy", "redact/pii", clearing).out)
    assert piped("try", "--policy", "redact/pii", clearing).out == f"{clearing}\n"


def test_try_takes_a_text_that_is_typed() -> None:
    with terminal("try", "--policy", "redact/pii") as running:
        running.until("press Ctrl-D")
        running.type(f"{MAIL}\n\x04")
        assert "\x1b[31m\x1b[1m[EMAIL]\x1b[0m" in running.until("finish_reason stop")


def test_explain() -> None:
    arguments = ("explain", "--policy", "redact/pii")
    in_pipe, in_terminal = piped(*arguments), shown(*arguments)
    assert in_pipe.code == in_terminal.code == 0 and ESCAPE not in in_pipe.out
    assert "\x1b[1mredact/pii: 16 rules" in in_terminal.out
    assert "amy@corp.tw" in in_pipe.out and "amy@corp.tw" in in_terminal.out


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(variables: dict[str, str]) -> None:
    assert ESCAPE not in shown("check", **variables).out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str) -> None:
    done = piped("completion", shell)
    assert done.code == 0 and "_SLUICE_COMPLETE" in done.out
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.out, text=True, check=True, timeout=10)


def test_completion_in_a_terminal_is_the_same() -> None:
    assert shown("completion", "fish").out == piped("completion", "fish").out


def test_a_shell_gets_commands_and_options() -> None:
    command = [sys.executable, "-c", "from proxy.__main__ import main; main(prog_name='sluice')"]
    asked = {"_SLUICE_COMPLETE": "bash_complete", "COMP_WORDS": "sluice ex", "COMP_CWORD": "1"}
    done = subprocess.run(command, env=asked, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["plain,explain"]


COMMANDS = ["serve", "simulate", "check", "schema", "try", "explain", "completion"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_how_it_is_used_and_gives_examples(command: str) -> None:
    done = shown(command, "--help")
    assert done.code == 0 and f"{command} [OPTIONS]" in done.out and "Examples:" in done.out
    assert f"sluice {command}" in done.out


def test_sluice_alone_lists_its_commands() -> None:
    done = piped()
    assert done.code == 2 and all(f"\n  {command} " in done.err for command in COMMANDS)


@pytest.mark.parametrize("arguments", [("chek",), ("check", "--jsno"), ("try", "x"), ("completion", "tcsh")])
def test_a_command_given_wrongly_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert piped(*arguments).code == 2


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"sluice, version \d+\.\d+\.\d+\n", piped("--version").out)


def test_simulate_in_a_terminal_ends_at_ctrl_c() -> None:
    with terminal("simulate", "--port", "0") as running:
        running.until("Ctrl-C ends it.")
        running.type("\x03")
        assert running.ended().code == 0


def test_serve_in_a_terminal_ends_at_ctrl_c(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/x}}\n")
    with terminal("serve", "--config", str(file), "--port", "0") as running:
        running.until("listens on")
        running.type("\x03")
        assert running.ended().code == 0


def test_serve_says_what_to_change_when_the_simulators_port_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(
            f"simulator: {{port: {port}}}\nproviders: {{openai: {{api_key: k}}}}\nmodels: {{m: {{target: openai/x}}}}\n"
        )
        done = piped("serve", "--config", str(file), "--port", "0")
    assert done.code == 1 and f"Cannot listen on port {port} for the built-in simulator" in done.err
    assert "SLUICE_SIMULATOR_PORT" in done.err and "each base_url" in done.err


@pytest.mark.parametrize("command", ["check", "schema", "explain"])
def test_commands_load_neither_litellm_nor_the_server(command: str) -> None:
    code = (
        "import sys\nfrom proxy.cli.commands import main\n"
        f"try: main(['{command}'])\nexcept SystemExit: pass\n"
        "print(sorted({'litellm', 'uvicorn', 'aiohttp', 'tiktoken'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=30
    )
    assert done.stderr == "[]\n"
