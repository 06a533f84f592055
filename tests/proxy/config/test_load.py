"""The whole way from a file to a `Config`."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from policies.base import PolicyType
from proxy.config.load import ConfigError, load, parse
from proxy.config.models import Config

FULL = """
server: {host: 0.0.0.0, port: "${PORT:-8080}", max_body_mb: 5, keep_alive: 15, cors_origins: [https://app.example]}
auth:
  keys:
    - {name: team-a, key: ${TEAM_A_KEY}, models: ["gpt-*"]}
    - {name: ops, sha256: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", admin: true}
providers:
  openai:    {api_key: ${OPENAI_API_KEY}}                  # not ${THIS_ONE}
  local:     {api: openai, base_url: http://127.0.0.1:11434/v1/, include_usage: false}
  azure:     {api: litellm, options: {api_base: "https://x", api_version: 2024-02-01}}
models:
  gpt-4o-mini: {target: openai/gpt-4o-mini}
  "local-*":   {target: "local/*", whole: native, policies: []}
default_policies: [mask/words]
policies:
  mask/words: {rules: [{name: x, words: [密碼]}]}
  mask/plain:
timeouts: {connect: 1.5, idle: 20}
"""
ENVIRON = {"TEAM_A_KEY": "team-a-key", "OPENAI_API_KEY": "sk-openai"}

Refusal = Callable[..., list[str]]


def test_a_whole_file_is_read(policy_types: Mapping[str, PolicyType]) -> None:
    config = parse(FULL, environ={**ENVIRON, "PORT": "9001"}, policies=policy_types)
    assert (config.server.port, config.server.max_body_mb, config.timeouts.connect) == (9001, 5, 1.5)
    assert config.auth is not None
    assert config.auth.keys[0].key is not None and config.auth.keys[0].key.get_secret_value() == "team-a-key"
    assert (config.auth.keys[1].sha256, config.auth.keys[1].admin) == ("a" * 64, True)
    assert config.providers["openai"].base_url == "https://api.openai.com/v1"
    assert config.providers["openai"].api == "openai"
    assert config.providers["local"].base_url == "http://127.0.0.1:11434/v1"
    assert config.providers["azure"].options == {"api_base": "https://x", "api_version": "2024-02-01"}
    assert (config.models["gpt-4o-mini"].policies, config.models["local-*"].policies) == (None, ())
    assert config.policies["mask/words"].rules[0].words == ("密碼",)
    assert config.policies["mask/plain"].limit == 3


def test_secrets_show_in_no_repr(policy_types: Mapping[str, PolicyType]) -> None:
    config = parse(FULL, environ=ENVIRON, policies=policy_types)
    for shown in (repr(config), str(config), config.model_dump_json(exclude={"policies"})):
        assert "team-a-key" not in shown and "sk-openai" not in shown
    assert "https://x" not in repr(config)


BROKEN = """\
server: {host: 0.0.0.0, port: ${PORT}, max_streems: 3}
providers:
  openai: {api_key: ${OPENAI_API_KEY}}
  openai: {}
  local: {api: openai}
models:
  a: {target: opnai/x, retries: 3}
  b: {target: ${TARGET}, policies: [mask/x]}
  c: 3
policies:
  mask/y: {limit: many}
timeouts: {idle: yes}
"""


def test_all_problems_are_told_at_once_in_the_files_order(refusal: Refusal) -> None:
    assert [problem.split(";")[0] for problem in refusal(BROKEN)] == [
        "1:16 server.host: is reachable from other machines and there are no keys: add `auth.keys`, or use 127.0.0.1",
        "1:31 server.port: the environment variable PORT is not set: set it, or write ${PORT:-default}",
        "1:40 server.max_streems: unknown key",
        "3:21 providers.openai.api_key: the environment variable OPENAI_API_KEY is not set: set it, or write "
        "${OPENAI_API_KEY:-default}",
        "4:3 providers.openai: is given twice, first in line 3: keep one",
        "5:3 providers.local.base_url: is missing: give the server's address, such as http://127.0.0.1:11434/v1",
        "7:15 models.a.target: names an unknown provider",
        "7:24 models.a.retries: unknown key",
        "8:15 models.b.target: the environment variable TARGET is not set: set it, or write ${TARGET:-default}",
        "8:37 models.b.policies[0]: unknown policy",
        "9:6 models.c: must be a mapping of `key: value` lines",
        "11:19 policies.mask/y.limit: must be a whole number",
        "12:18 timeouts.idle: must be a number, not true or false",
    ]


def test_a_problem_says_where_it_is() -> None:
    with pytest.raises(ConfigError) as refusal:
        parse("providers: {openai: {api_key: k}}\nmodels: {m: {target: x/y}}", "my.yaml", environ={})
    (problem,) = refusal.value.problems
    assert (problem.file, problem.line, problem.column, problem.path) == ("my.yaml", 2, 22, "models.m.target")


@pytest.mark.parametrize(
    "key",
    ["tls"],
)
def test_a_section_that_is_not_built_is_refused(refusal: Refusal, key: str) -> None:
    text = f"providers: {{openai: {{api_key: k}}}}\nmodels: {{m: {{target: openai/x}}}}\n{key}: {{}}"
    (found,) = refusal(text)
    assert found.startswith(f"3:1 {key}: unknown key")


@pytest.mark.parametrize("key", ["weight", "retries"])
def test_a_models_key_that_is_not_built_is_refused(refusal: Refusal, key: str) -> None:
    (found,) = refusal(f"providers: {{openai: {{api_key: k}}}}\nmodels: {{m: {{target: openai/x, {key}: 1}}}}")
    assert found.startswith(f"2:32 models.m.{key}: unknown key")


def test_a_substituted_value_is_never_shown(refusal: Refusal) -> None:
    secret = "hunter2 hunter2"
    text = """
server: {host: ${S}, port: ${S}, keep_alive: ${S}, cors_origins: [${S}]}
auth: {keys: [{name: a, key: ${S}}, {name: b, sha256: ${S}, admin: ${S}}]}
providers: {openai: {api_key: ${S}, base_url: ${S}, include_usage: ${S}, api: ${S}}}
models: {m: {target: openai/x, engine: ${S}}, o: {target: "${S}/x", policies: ["${S}"]}}
"""
    found = refusal(text, {"S": secret})
    assert len(found) == 14
    assert "hunter2" not in "\n".join(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: must be a mapping with `providers` and `models`"),
        ("- a", "1:1: must be a mapping with `providers` and `models`"),
        ("# only a comment", "1:1: must be a mapping with"),
        (
            "a: [",
            "1:5: is not valid YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_a_text_that_is_no_configuration_is_refused(refusal: Refusal, text: str, message: str) -> None:
    (found,) = refusal(text)
    assert found.startswith(message)


def test_missing_sections_are_told_together(refusal: Refusal) -> None:
    assert refusal("server: {}") == ["1:1 models: is missing", "1:1 providers: is missing"]


def test_the_command_line_goes_before_the_file(refusal: Refusal, policy_types: Mapping[str, PolicyType]) -> None:
    text = "server: {port: 1}\nproviders: {openai: {api_key: k}}\nmodels: {m: {target: openai/x}}"
    config = parse(text, environ={}, policies=policy_types, server={"host": None, "port": 2})
    assert (config.server.host, config.server.port) == ("127.0.0.1", 2)
    assert refusal(text, server={"host": "0.0.0.0"}) == [
        "1:1 server.host (from the command line): is reachable from other machines and there are no keys: "
        "add `auth.keys`, or use 127.0.0.1"
    ]


GOOD = b"providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/x}}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# \xff\n" + GOOD, "c.yaml:1:3: is not UTF-8 here"),
        (b"#" * (1024 * 1024 + 1), "c.yaml:1:1: is larger than 1 MiB: move long lists"),
        (None, "c.yaml:1:1: cannot be read (No such file or directory): check"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        load(path, environ={})
    assert message in str(refusal.value)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"))
    assert isinstance(load(path, environ={}), Config)


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory: name a regular file"):
        load(tmp_path)


def test_the_processs_environment_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLUICE_TEST_KEY", "from-outside")
    path = tmp_path / "c.yaml"
    path.write_bytes(GOOD.replace(b": k", b": ${SLUICE_TEST_KEY}"))
    key = load(os.fspath(path)).providers["openai"].api_key
    assert key is not None and key.get_secret_value() == "from-outside"


def test_a_words_file_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "blocked.txt").write_text("密碼\nhunter2\n", encoding="utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(
        "providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m, policies: [redact/words]}}\n"
        "policies:\n  redact/words: {rules: [{name: w, words_file: blocked.txt}]}\n"
    )
    assert "redact/words" in load(file, environ={}).policies
    (tmp_path / "blocked.txt").unlink()
    with pytest.raises(ConfigError, match=r"config.yaml:4:.*'w'.*blocked.txt' cannot be read \(No such file"):
        load(file, environ={})
