"""The redaction rules of a configuration, as commands tell of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from policies.redact.config import RedactConfig
from policies.redact.engines import Engines
from policies.redact.rules import Rule


class SizedRule(NamedTuple):
    """A rule of the policy `owner`, and its size in nodes: the most characters of it that can be under way at once."""

    owner: str
    rule: Rule
    size: int


def compiled(ids: Sequence[str], configs: Mapping[str, Any]) -> Engines | None:
    """The rules of the redact policies among `ids`, as they act together; None if there are none."""
    rows = [(id, configs[id]) for id in ids if isinstance(configs[id], RedactConfig)]
    return rows[0][1].engines(rows) if rows else None


def sized(engines: Engines, ids: Sequence[str]) -> list[SizedRule]:
    """The rules in their order, an entity set's each for itself. `ids` are the policies they were compiled of."""
    sizes: dict[str, int] = {}
    for redactor in (*engines.channels.values(), engines.request):
        sizes.update(redactor.sizes if redactor is not None else {})
    return [SizedRule(engines.owner[rule.name] or ids[0], rule, sizes[rule.name]) for rule in engines.rules]
