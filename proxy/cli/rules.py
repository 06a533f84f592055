"""The redaction rules of a configuration, as the commands show them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from policies.redact.config import RedactConfig
from policies.redact.engines import Engines
from policies.redact.rules import Rule


class SizedRule(NamedTuple):
    """A rule of the policy `owner`. `size` counts its nodes: the maximum number of partial matches at one time."""

    owner: str
    rule: Rule
    size: int


def compiled(ids: Sequence[str], configs: Mapping[str, Any]) -> Engines | None:
    """Compile the rules of the redact policies among `ids` together. Return None if there are none."""
    rows = [(id, configs[id]) for id in ids if isinstance(configs[id], RedactConfig)]
    return rows[0][1].engines(rows) if rows else None


def sized(engines: Engines, ids: Sequence[str]) -> list[SizedRule]:
    """List the rules in order, each member of an entity set separately. `ids` are the policies that they came from."""
    sizes: dict[str, int] = {}
    for redactor in (*engines.channels.values(), engines.request):
        sizes.update(redactor.sizes if redactor is not None else {})
    return [SizedRule(engines.owner[rule.name] or ids[0], rule, sizes[rule.name]) for rule in engines.rules]
