"""`sluice check`: each message with its line and column, and the summary of a valid file."""

import ast
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import proxy.config
from proxy.cli.commands import main
from proxy.config import validation

HERE = Path(__file__).parent
MISSING = {
    "providers": "providers: {openai: {api_key: k}}\n",
    "models": "models: {m: {target: openai/x}}\n",
}
ENVIRON = {"BAD_UTF8": "\udcff", "NOT_SET": None, "ALSO_NOT": None}


def blocks() -> list[tuple[str, list[str]]]:
    """The files of problems.txt, completed, each with its problems."""
    found = []
    for block in (HERE / "problems.txt").read_text().split("\n----\n")[1:]:
        lines = block.splitlines()
        problems = [line for line in lines if line.startswith("> ")]
        text = "".join(f"{line}\n" for line in lines if line not in problems)
        text += "".join(add for key, add in MISSING.items() if not re.search(rf"^{key}:", text, re.M))
        found.append((text, problems))
    return found


def check(tmp_path: Path, text: str | bytes, *options: str) -> Result:
    file = tmp_path / "c.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CliRunner().invoke(main, ["check", str(file), *options], env=ENVIRON)


def said(tmp_path: Path, text: str | bytes) -> list[str]:
    """The problems of a file, without its name."""
    result = check(tmp_path, text)
    assert result.exit_code == 1
    assert "the gateway would reject this file" in result.stderr
    return [line.removeprefix(f"{tmp_path}/c.yaml:") for line in result.stdout.splitlines()]


@pytest.mark.parametrize(("text", "problems"), blocks(), ids=lambda value: "" if isinstance(value, str) else value[0])
def test_each_problem_is_told_with_its_line_and_column(tmp_path: Path, text: str, problems: list[str]) -> None:
    found = said(tmp_path, text)
    assert len(found) == len(problems)
    for line, problem in zip(found, problems, strict=True):
        expected = problem.removeprefix("> ")
        assert line.startswith(expected[:-1]) if expected.endswith("…") else line == expected


ODD: list[tuple[str | bytes, str]] = [
    ("- a\n", "1:1: must be a mapping with `providers` and `models`"),
    (
        "a: [\n",
        "2:1: is not valid YAML: while parsing a flow node, expected the node content, but found '<stream end>'"
        "; close every bracket, brace and quotation mark",
    ),
    ("a: \x07\n", "1:4: holds a character that YAML does not allow (U+0007)"),
    ("a: \U0010ff41\n", "1:4: holds the private-use character U+10FF41: remove it"),
    (b"server:\n  host: \xff\n", "2:9: is not UTF-8 here: save it as UTF-8"),
    ("#" * (1024 * 1024 + 1), "1:1: is larger than 1 MiB: move long lists of words to a `words_file`"),
    ("a: " + "[" * 40 + "]" * 40, "1:36: is nested deeper than 32 levels here"),
    (
        "a: &a [" + "1, " * 400 + "1]\nb: &b [" + "*a, " * 300 + "1]\n",
        "1:911: holds more than 100000 values, anchors counted as often as used: "
        "split the configuration, or move lists of words to a `words_file`",
    ),
    ("a: " + "[" * 9000 + "\n", "1:36: is nested deeper than 32 levels here"),
    (
        f"server:\n  port: {'9' * 5000}\n" + "".join(MISSING.values()),
        "2:9 server.port: must be a whole number that is not so large",
    ),
]
"""Problems that problems.txt cannot contain."""


@pytest.mark.parametrize(("text", "problem"), ODD, ids=[problem for _, problem in ODD])
def test_a_text_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, text: str | bytes, problem: str) -> None:
    assert said(tmp_path, text) == [problem]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", str(tmp_path / "no.yaml")])
    assert (result.exit_code, result.stdout) == (
        1,
        f"{tmp_path}/no.yaml:1:1: cannot be read (No such file or directory): check its name and its permissions\n",
    )


# ---- the table has them all
TOLD = "".join(problem for _, problems in blocks() for problem in problems) + "".join(problem for _, problem in ODD)


def messages(module: str) -> list[str]:
    """The longest fixed part of each message that a module of the configuration makes."""
    tree = ast.parse((Path(proxy.config.__path__[0]) / f"{module}.py").read_text())
    texts: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case (
                ast.Call(func=ast.Name("Fault"), args=[_, text, *_])
                | ast.Call(func=ast.Name("ValueError"), args=[text])
            ):
                texts.append(text)
            case ast.Assign(targets=[ast.Name("message")], value=text):
                texts.append(text)
    return [part for text in texts if (part := _fixed(text))]


def _fixed(text: ast.expr) -> str:
    parts = [part.value for part in ast.walk(text) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return max(parts, key=len, default="").strip()


@pytest.mark.parametrize("module", ["fields", "references", "routes"])
def test_the_table_has_every_message(module: str) -> None:
    known = messages(module)
    assert known and not [part for part in known if part not in TOLD], "add a file to problems.txt that makes them"


def test_the_table_has_pydantics_messages_too() -> None:
    assert not [words for words in validation._WORDS.values() if words not in TOLD]


# ---- all right
RIGHT = """\
providers: {openai: {api_key: k}}
models: {fast: {targets: [openai/a, openai/b]}, plain: {target: openai/c, policies: []}}
default_policies: [redact/a]
policies:
  redact/a: {rules: [{name: ticket, regex: 'PRJ-\\d{4}', mode: shadow}, {name: words, words: [ab, abc]}]}
  token_cap/b: {max_tokens: 9}
"""


def test_a_right_file_is_summed_up(tmp_path: Path) -> None:
    result = check(tmp_path, RIGHT)
    assert result.exit_code == 0 and result.stderr == ""
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["fast", "openai/a,", "openai/b", "redact/a"] in lines
    assert ["plain", "openai/c", "no", "policies"] in lines
    assert ["redact/a", "2", "rules,", "11", "nodes", "(most:", "ticket,", "8)"] in lines
    assert "token_cap/b is not used by any model" in result.stdout


def test_fallbacks_settings_and_keys_are_summed_up_too(tmp_path: Path) -> None:
    keys = "{name: team, key: longenough1, models: [f*, plain]}, {name: ops, key: longenough2, admin: true}"
    text = (
        RIGHT.replace("policies: []}", "policies: [], fallbacks: [fast]}")
        + f"  json_guard/c: {{}}\nauth: {{keys: [{keys}]}}\n"
    )
    told = check(tmp_path, text).stdout
    assert "openai/c, then fast" in told
    lines = [line.split() for line in told.splitlines()]
    assert ["token_cap/b", "max_tokens:", "9"] in lines and ["json_guard/c", "as", "it", "is", "by", "default"] in lines
    assert ["team", "f*,", "plain"] in lines and ["ops", "*", "admin"] in lines
    found = json.loads(check(tmp_path, text, "--json").stdout)
    assert found["models"]["plain"]["fallbacks"] == ["fast"]
    assert found["keys"] == {
        "team": {"models": ["f*", "plain"], "admin": False},
        "ops": {"models": ["*"], "admin": True},
    }
    assert "longenough" not in told + json.dumps(found)


def test_a_right_file_as_json(tmp_path: Path) -> None:
    told = json.loads(check(tmp_path, RIGHT, "--json").stdout)
    assert told["ok"] is True and told["problems"] == [] and told["unused"] == ["token_cap/b"]
    fast = {"targets": ["openai/a", "openai/b"], "fallbacks": [], "policies": ["redact/a"]}
    assert told["models"]["fast"] == fast and told["keys"] == {} and len(told["hints"]) == 1
    assert [rule["action"] for rule in told["policies"]["redact/a"]] == ["would_redact", "redact"]


def test_problems_as_json(tmp_path: Path) -> None:
    result = check(tmp_path, "sever: {}\n" + "".join(MISSING.values()), "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"]) == (1, False)
    (problem,) = told["problems"]
    assert (problem["line"], problem["column"], problem["path"]) == (1, 1, "sever")
    assert problem["message"] == "unknown key; did you mean 'server'?"


def test_every_problem_is_told_however_many(tmp_path: Path) -> None:
    text = "".join(MISSING.values()) + "".join(f"key{number}: 1\n" for number in range(150))
    assert len(said(tmp_path, text)) == 150


def test_no_secret_is_shown(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("auth: {keys: [{name: a, key: 'hunter2 hunter2'}]}\n" + "".join(MISSING.values()))
    result = CliRunner().invoke(main, ["check", str(tmp_path / "c.yaml")])
    assert result.exit_code == 1 and "hunter2" not in result.output
