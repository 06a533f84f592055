"""`sluice check`: report the problems of a configuration, or summarize a valid one."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from proxy.cli.hints import hints, unused
from proxy.cli.rules import SizedRule, compiled, sized
from proxy.cli.terminal import bad, bold, columns, counted, faint, good, json_text, late, shortened, shown
from proxy.config.chains import policy_ids
from proxy.config.load import ConfigError, load
from proxy.config.models import Config, Key, Model
from proxy.config.problems import Problem

_WIDEST = 80


def check(path: str, as_json: bool) -> int:
    """Check a file and print the result. Return the exit code."""
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
    click.echo(bad(f"{path}: {counted(len(problems), 'problem')}; the gateway would reject this file."), err=True)


def _summary(config: Config) -> dict[str, Any]:
    models = {
        name: {
            "targets": _targets(model),
            "fallbacks": list(model.fallbacks),
            "policies": list(policy_ids(config, model)),
        }
        for name, model in config.models.items()
    }
    policies = {
        id: [{"rule": row.rule.name, "action": _action(row), "nodes": row.size} for row in _rules(config, id)]
        for id in config.policies
    }
    keys = {key.name: {"models": list(key.models), "admin": key.admin} for key in _keys(config)}
    told = {"models": models, "policies": policies, "keys": keys}
    return {**told, "unused": unused(config), "hints": list(hints(config))}


def _told(path: str, config: Config) -> Iterator[str]:
    yield good(f"{path} is valid.")
    yield ""
    yield bold("Models")
    models = [
        (shown(name), _served(model), ", ".join(policy_ids(config, model)) or faint("no policies"))
        for name, model in config.models.items()
    ]
    yield from columns(models)
    if config.policies:
        yield from ("", bold("Policies"))
        yield from columns(
            [(id, _size(_rules(config, id)) or _settings(config.policies[id])) for id in config.policies]
        )
    if _keys(config):
        yield from ("", bold("Keys"))
        yield from columns(
            [(shown(key.name), shown(", ".join(key.models)), "admin" if key.admin else "") for key in _keys(config)]
        )
    for number, hint in enumerate(hints(config)):
        yield from ([""] if number == 0 else [])
        yield late(shown(hint))


def _served(model: Model) -> str:
    fallbacks = f", then {', '.join(model.fallbacks)}" if model.fallbacks else ""
    return shown(", ".join(_targets(model)) + fallbacks)


def _keys(config: Config) -> tuple[Key, ...]:
    return config.auth.keys if config.auth is not None else ()


def _targets(model: Model) -> list[str]:
    return [place.target for place in model.places]


def _size(rules: list[SizedRule]) -> str:
    if not rules:
        return ""
    largest = max(rules, key=lambda row: row.size)
    nodes = f"{sum(row.size for row in rules)} nodes (most: {largest.rule.name}, {largest.size})"
    return f"{counted(len(rules), 'rule')}, {nodes}"


def _settings(policy: Any) -> str:
    """Show the settings that the file gives to a policy without rules."""
    given = policy.model_dump(mode="json", exclude_unset=True)
    told = ", ".join(f"{key}: {value if isinstance(value, str) else json_text(value)}" for key, value in given.items())
    return shortened(told, _WIDEST) or faint("as it is by default")


def _rules(config: Config, id: str) -> list[SizedRule]:
    engines = compiled([id], config.policies)
    return sized(engines, [id]) if engines is not None else []


def _action(row: SizedRule) -> str:
    return f"would_{row.rule.action}" if row.rule.shadow else row.rule.action
