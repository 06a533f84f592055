"""`sluice explain` shows what the engine does with each rule."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from policies.redact.entities import ENTITIES
from policies.redact.redactor import Redactor
from policies.redact.rules import read_rules
from proxy.cli.benign_samples import TEXTS
from proxy.cli.commands import main
from proxy.cli.explain import Explained, explained
from proxy.cli.rules import SizedRule

CONFIG = """
providers: {openai: {api_key: k}}
models: {m: {target: openai/x}, plain: {target: openai/x, policies: []}}
default_policies: [redact/a, redact/b]
policies:
  redact/a:
    rules:
      - {name: ticket, regex: 'PRJ-\\d{4}', replace: "[TICKET]"}
      - {name: the, words: [the, 的], mode: shadow}
  redact/b: {max_hold: 50, rules: [{name: bold, regex: '<b>[^<]*</b>'}, {name: eval, entity: eval_call, action: block}]}
  token_cap/c: {max_tokens: 9}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    return file


def explain(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", "--config", str(config), *arguments])


def as_json(config: Path, *arguments: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(explain(config, *arguments, "--json").stdout)
    return told


def of(**spec: Any) -> Explained:
    return explained(SizedRule("redact/x", read_rules([{"name": "x", **spec}])[0], 1))


def test_each_rule_is_told_with_examples_size_and_hold(config: Path) -> None:
    policy_a, policy_b = as_json(config)
    ticket, the = policy_a["rules"]
    assert (ticket["policy"], ticket["action"], ticket["becomes"]) == ("redact/a", "redact", "[TICKET]")
    assert (ticket["nodes"], ticket["holds"], ticket["fires"]) == (8, 7, {})
    assert len(ticket["examples"]) == 2 and all(text.startswith("PRJ-") for text in ticket["examples"])
    assert the["action"] == "would_redact" and the["fires"]["English"] > 3 and the["fires"]["Chinese"] > 3
    assert policy_b["policies"] == ["redact/b"] and policy_b["cost"] > 0 and ticket["cost"] > 0


def test_the_hold_is_bounded_by_the_policys(config: Path) -> None:
    rules = {rule["rule"]: rule for rule in as_json(config, "--policy", "redact/b")[0]["rules"]}
    assert rules["bold"]["holds"] == 50


def test_a_models_rules_are_told_as_they_act_together(config: Path) -> None:
    (together,) = as_json(config, "--model", "m")
    assert together["policies"] == ["redact/a", "redact/b"]
    assert [rule["rule"] for rule in together["rules"]] == ["ticket", "the", "bold", "eval"]
    assert [rule["policy"] for rule in together["rules"]] == ["redact/a"] * 2 + ["redact/b"] * 2


@pytest.mark.parametrize(
    ("spec", "holds"),
    [
        ({"words": ["hunter2", "密碼"]}, 6),
        ({"regex": "a{30}!"}, 30),
        ({"regex": "sk-[a-z]{20,}"}, 22),
        ({"regex": "(?<=/)x{5}y"}, 5),
        ({"words": ["hunter2"], "action": "block"}, 6),
        ({"words": ["hunter2"], "mode": "shadow"}, 0),
    ],
)
def test_the_longest_hold_is_that_of_the_engine(spec: dict[str, Any], holds: int) -> None:
    assert of(**spec).holds == holds


def test_no_built_in_rule_fires_on_ordinary_text() -> None:
    redactor = Redactor([{"name": entity, "entity": entity} for entity in ENTITIES])
    assert {kind: redactor.apply(text) for kind, text in TEXTS.items()} == TEXTS


def test_people_get_a_table_and_a_warning(config: Path) -> None:
    result = explain(config)
    assert result.exit_code == 0
    assert "redact/a: 2 rules" in result.stdout and "redact/b: 2 rules" in result.stdout
    assert "the fires on ordinary text" in result.stdout and "ticket fires" not in result.stdout
    assert "token_cap" not in result.stdout


def test_without_redaction_there_is_nothing_to_explain(config: Path) -> None:
    for arguments in (["--model", "plain"], ["--policy", "token_cap/c"]):
        assert explain(config, *arguments).stdout == "No redaction rules to explain.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--policy", "redact/x"], 1, "Unknown policy 'redact/x'; did you mean 'redact/"),
        (["--model", "n"], 1, "Unknown model 'n'"),
        (["--model", "m", "--policy", "redact/a"], 2, "Give either --policy or --model."),
    ],
)
def test_what_cannot_be_explained_is_said(config: Path, arguments: list[str], code: int, message: str) -> None:
    result = explain(config, *arguments)
    assert result.exit_code == code and message in result.stderr


def test_a_wrong_configuration_is_told(config: Path) -> None:
    config.write_text("sever: {}\n" + CONFIG)
    result = explain(config)
    assert result.exit_code == 1 and "did you mean 'server'?" in result.stderr
