"""`sluice explain`: show what each rule matches and costs, how long it can hold text, and if it matches ordinary text.

All figures come from running the engine, on texts made from the rule and on ordinary text. The longest hold is one that
was observed. Times are those of this machine. A rule alone costs more than its share of rules that run together.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from policies.redact.engines import Engines
from policies.redact.examples import examples, lead, long_texts
from policies.redact.redactor import Redactor
from policies.redact.rules import Rule
from proxy.cli.benign_samples import TEXTS
from proxy.cli.rules import SizedRule, compiled, sized
from proxy.cli.terminal import bad, bold, columns, counted, faint, json_text, late, shortened
from proxy.config.chains import policy_ids
from proxy.config.load import ConfigError, load
from proxy.config.models import Config
from proxy.config.names import did_you_mean
from proxy.config.resolve import resolve

_WIDEST = 46
_ROUNDS = 5
_PIECE = 20
"""Size in characters of each piece while time is measured, about as large as a provider's chunk."""
_PROSE = "\n".join(TEXTS.values())


@dataclass(frozen=True, slots=True)
class Explained:
    """One rule's figures.

    `nodes` is its size, and `cost` its time in µs for a character of ordinary text. `holds` is the largest number of
    characters that it was seen to hold. `fires` counts its matches in each kind of ordinary text that it matches.
    """

    policy: str
    rule: str
    action: str
    becomes: str
    examples: list[str]
    nodes: int
    cost: float
    holds: int
    fires: dict[str, int]


def explain(path: str, ids: Sequence[str], model: str | None, as_json: bool) -> int:
    """Explain the rules of some policies, of a model, or of all policies. Return the exit code."""
    try:
        config = load(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        return 1
    wanted, fault = _wanted(config, ids, model)
    if fault is not None:
        click.echo(bad(fault), err=True)
        return 1
    lists = [wanted] if model is not None else [[id] for id in wanted]
    found = [(ids, engines) for ids in lists if (engines := compiled(ids, config.policies)) is not None]
    if as_json:
        click.echo(json_text([_as_json(*group) for group in found]))
        return 0
    for group in found:
        for line in _told(*group):
            click.echo(line)
    if not found:
        click.echo("No redaction rules to explain.")
    return 0


def explained(row: SizedRule) -> Explained:
    """Measure one rule."""
    alone = Redactor.of([row.rule])
    fires = {kind: count for kind, text in TEXTS.items() if (count := _matches(alone, text))}
    rule = row.rule
    return Explained(
        policy=row.owner,
        rule=rule.name,
        action=f"would_{rule.action}" if rule.shadow else rule.action,
        becomes=_becomes(rule),
        examples=examples(rule),
        nodes=row.size,
        cost=_cost(alone),
        holds=_longest_hold(alone, rule),
        fires=fires,
    )


def _wanted(config: Config, ids: Sequence[str], model: str | None) -> tuple[Sequence[str], str | None]:
    """Return the requested policies and None, or no policies and the reason."""
    for id in ids:
        if id not in config.policies:
            return (), f"Unknown policy {id!r}{did_you_mean(id, config.policies)}"
    if model is None:
        return ids or list(config.policies), None
    found = resolve(config, model)
    if found is None:
        return (), f"Unknown model {model!r}{did_you_mean(model, config.models)}"
    return policy_ids(config, found.settings), None


def _becomes(rule: Rule) -> str:
    if not rule.redacts:
        return ""
    if rule.mask:
        return f"{rule.mask * 3}{f' and the last {rule.keep_last}' if rule.keep_last else ''}"
    return rule.label if rule.label is not None else f"[{rule.name.upper()}:…]"


def _matches(redactor: Redactor, text: str) -> int:
    """Count the matches of a redactor with one rule. After a blocking match there are no more."""
    stream = redactor.stream()
    stream.feed(text)
    stream.close()
    return len(stream.matches)


def _cost(redactor: Redactor) -> float:
    """Measure the best time in µs for a character of ordinary text, after the automaton has seen it."""
    pieces = [_PROSE[at : at + _PIECE] for at in range(0, len(_PROSE), _PIECE)]
    best = float("inf")
    for _ in range(_ROUNDS):
        stream = redactor.stream()
        begun = time.perf_counter()
        for piece in pieces:
            stream.feed(piece)
        best = min(best, time.perf_counter() - begun)
    return round(best / len(_PROSE) * 1e6, 3)


def _longest_hold(redactor: Redactor, rule: Rule) -> int:
    most = 0
    for text in long_texts(rule, rule.max_hold + 50):
        most = max(most, _hold(redactor, (lead(rule) or " ") + text))
    return most


def _hold(redactor: Redactor, text: str) -> int:
    """Return the most characters held before the first release, when a text arrives one character at a time."""
    stream = redactor.stream()
    most = 0
    for char in text:
        stream.feed(char)
        if most > 1 and not stream.held:
            break
        most = max(most, stream.held)
    return most


# ---- output
def _as_json(ids: Sequence[str], engines: Engines) -> dict[str, Any]:
    rows = [asdict(explained(row)) for row in sized(engines, ids)]
    return {"policies": list(ids), "cost": _together(engines), "rules": rows}


def _together(engines: Engines) -> float | None:
    redactor = engines.channels["content"]
    return None if redactor is None else _cost(redactor)


def _told(ids: Sequence[str], engines: Engines) -> Iterator[str]:
    rows = [explained(row) for row in sized(engines, ids)]
    cost = _together(engines)
    together = "" if cost is None else f", {cost:.2f} µs a character of ordinary text"
    yield bold(f"{', '.join(ids)}: {counted(len(rows), 'rule')}, {sum(row.nodes for row in rows)} nodes{together}")
    head = tuple(map(faint, ("rule", "matches", "action", "nodes", "µs/char", "holds")))
    yield from columns([head, *map(_row, rows)], right=(3, 4, 5))
    for row in rows:
        if row.fires:
            where = ", ".join(f"{count} in {kind}" for kind, count in row.fires.items())
            yield late(f"  {row.rule} fires on ordinary text ({where}). Make it narrower, or try it with mode: shadow")
    yield ""


def _row(row: Explained) -> tuple[str, ...]:
    action = f"{row.action} {row.becomes}".rstrip()
    shown = shortened("  ".join(row.examples), _WIDEST) or faint("(no example found)")
    return row.rule, shown, action, str(row.nodes), f"{row.cost:.2f}", str(row.holds)
