"""`sluice check`: all that is wrong with a configuration, or what it comes to."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from proxy.cli.rules import SizedRule, compiled, sized
from proxy.cli.terminal import bad, bold, columns, faint, good, json_text, late, shown
from proxy.config.chains import policy_ids
from proxy.config.load import ConfigError, load
from proxy.config.models import Config, Model
from proxy.config.problems import Problem


def check(path: str, as_json: bool) -> int:
    """Check a file and say what was found; the process's exit code."""
    try:
        config = load(path)
    except ConfigError as error:
        _refused(path, error.problems, as_json)
        return 1
    if as_json:
        print(json_text({"file": path, "ok": True, "problems": [], **_summary(config)}))
        return 0
    for line in _told(path, config):
        click.echo(line)
    return 0


def _refused(path: str, problems: list[Problem], as_json: bool) -> None:
    if as_json:
        found = [asdict(problem) for problem in problems]
        print(json_text({"file": path, "ok": False, "problems": found}))
        return
    for problem in problems:
        where = f"{problem.file}:{problem.line}:{problem.column}"
        click.echo(bold(where) + shown(str(problem).removeprefix(where)))
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    click.echo(bad(f"{path}: {count}; the gateway would refuse this file."), err=True)


def _summary(config: Config) -> dict[str, Any]:
    models = {
        name: {"targets": _targets(model), "policies": list(policy_ids(config, model))}
        for name, model in config.models.items()
    }
    policies = {
        id: [{"rule": row.rule.name, "action": _action(row), "nodes": row.size} for row in _rules(config, id)]
        for id in config.policies
    }
    return {"models": models, "policies": policies, "unused": _unused(config)}


def _told(path: str, config: Config) -> Iterator[str]:
    yield good(f"{path} is right.")
    yield ""
    yield bold("Models")
    models = [
        (shown(name), ", ".join(_targets(model)), ", ".join(policy_ids(config, model)) or faint("no policies"))
        for name, model in config.models.items()
    ]
    yield from columns(models)
    if not config.policies:
        return
    yield ""
    yield bold("Policies")
    yield from columns([(id, _size(_rules(config, id))) for id in config.policies])
    for id in _unused(config):
        yield late(f"{id} is used by no model: name it in a model's `policies`, or in `default_policies`.")


def _targets(model: Model) -> list[str]:
    return [place.target for place in model.places]


def _size(rules: list[SizedRule]) -> str:
    if not rules:
        return faint("no rules")
    largest = max(rules, key=lambda row: row.size)
    count = "1 rule" if len(rules) == 1 else f"{len(rules)} rules"
    return f"{count}, {sum(row.size for row in rules)} nodes (most: {largest.rule.name}, {largest.size})"


def _rules(config: Config, id: str) -> list[SizedRule]:
    engines = compiled([id], config.policies)
    return sized(engines, [id]) if engines is not None else []


def _action(row: SizedRule) -> str:
    return f"would_{row.rule.action}" if row.rule.shadow else row.rule.action


def _unused(config: Config) -> list[str]:
    used = {id for model in config.models.values() for id in policy_ids(config, model)}
    return [id for id in config.policies if id not in used]
