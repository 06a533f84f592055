"""The configuration's JSON Schema agrees with the loader, and the file that is shipped with the models."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from policies import POLICIES
from proxy.config.descriptions import DESCRIPTIONS, describe
from proxy.config.load import ConfigError, parse
from proxy.config.models import Config
from proxy.config.schema import _models, config_schema, written

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "docs" / "config.schema.json"
SCHEMA = config_schema(POLICIES)
CHECKER = Draft202012Validator(SCHEMA)
ENOUGH: dict[str, Any] = {"providers": {"openai": {"api_key": "key"}}, "models": {"m": {"target": "openai/x"}}}
RULES = [{"name": "a", "words": ["b"]}]


def faults(data: Any) -> list[str]:
    return [error.json_path for error in CHECKER.iter_errors(data)]


def test_the_shipped_schema_is_that_of_the_models() -> None:
    assert SHIPPED.read_text() == written(SCHEMA), "run scripts/generate"


def test_the_default_configuration_names_it_for_editors() -> None:
    first = (ROOT / "config.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SHIPPED.relative_to(ROOT)}"


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_key_of_every_model_says_what_it_means() -> None:
    models = _models(Config, *(kind.config for kind in POLICIES.values()))
    for model in models:
        assert all(describe(model, key) for key in model.model_fields)
    known = {model.__name__: set(model.model_fields) for model in models}
    assert all(name in known and set(keys) <= known[name] for name, keys in DESCRIPTIONS.items()), "of what is no more"


def yaml_in(path: Path) -> Iterator[str]:
    """The whole configurations, or parts of them, that a file shows."""
    text = path.read_text()
    yield from [text] if path.suffix == ".yaml" else re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)


@pytest.mark.parametrize(
    "name", ["config.yaml", "README.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_the_configurations_in_the_docs_fit_it(name: str) -> None:
    for text in yaml_in(ROOT / name):
        data = yaml.safe_load(re.sub(r"(?<![\"'])(\$\{[^}]*\})", r'"\1"', text) if name != "config.yaml" else text)
        assert isinstance(data, dict)
        assert faults({**ENOUGH, **data}) == [], text


TAKEN: list[dict[str, Any]] = [
    {"server": {"port": "${PORT}", "max_streams": "${N:-20}", "keep_alive": "1${N}"}},
    {"auth": {"keys": [{"name": "${NAME}", "key": "${KEY}", "admin": "${ADMIN}"}]}},
    {"providers": {"a": {"api": "litellm", "options": {"api_base": "x"}}}},
    {"policies": {"json_guard/x": None, "redact/x": {"rules": RULES, "max_hold": "${N}"}}},
    {"policies": {"redact/x": {"rules": [{"name": "a", "entity": "${E}", "mask": "${M}", "mode": "${MODE}"}]}}},
    {"policies": {"redact/x": {"rules": [{"name": "a", "entity": "email", "mask": None}]}}},
    {"auth": None, "simulator": {"port": 9}, "prices": {"x*": {"input": 0, "output": 0.5}}, "timeouts": {"idle": 1.5}},
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"sever": {}}, "$"),
    ({"server": {"port": 70_000}}, "$.server.port"),
    ({"server": {"port": "eighty"}}, "$.server.port"),
    ({"server": {"port": "${no"}}, "$.server.port"),
    ({"server": {"keep_alive": 0}}, "$.server.keep_alive"),
    ({"models": {"m": {}}}, "$.models.m"),
    ({"providers": {"a": {"api": "ollama"}}}, "$.providers.a.api"),
    ({"providers": {"a": {"api": "litellm", "options": {"mock_response": "x"}}}}, "$.providers.a.options"),
    ({"policies": {"redcat/x": {"rules": RULES}}}, "$.policies"),
    ({"policies": {"redact/x": None}}, "$.policies['redact/x']"),
    (
        {"policies": {"redact/x": {"rules": [{"name": "a", "entity": "emial"}]}}},
        "$.policies['redact/x'].rules[0].entity",
    ),
    ({"policies": {"token_cap/x": {"max_tokens": 0}}}, "$.policies['token_cap/x'].max_tokens"),
]


@pytest.mark.parametrize("part", TAKEN)
def test_what_the_loader_may_take_is_right(part: dict[str, Any]) -> None:
    assert faults({**ENOUGH, **part}) == []


@pytest.mark.parametrize(("part", "path"), REFUSED)
def test_what_the_loader_refuses_for_its_form_is_wrong_at_its_place(part: dict[str, Any], path: str) -> None:
    data = {**ENOUGH, **part}
    assert faults(data) == [path]
    with pytest.raises(ConfigError):
        parse(json.dumps(data), environ={})


def test_an_editor_can_tell_what_a_key_means() -> None:
    port = SCHEMA["$defs"]["Server"]["properties"]["port"]
    assert "port to listen on" in port["description"] and port["default"] == 8080
    assert "title" not in port
