"""Policies by id -> the chain of one request.

Rule: policies stand in the order of their stages, whatever the file's order; those of a type that act as one are one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from policies.base import Context, Policy, PolicyType
from policies.chain import Chain
from proxy.config.models import Config, Model


def policy_ids(config: Config, model: Model) -> Sequence[str]:
    """The policies of a model, in the file's order."""
    return config.default_policies if model.policies is None else model.policies


def make_chain(
    ids: Sequence[str], configs: Mapping[str, Any], types: Mapping[str, PolicyType], context: Context
) -> Chain:
    """The chain of one request. `configs` are the policies' own by id, `types` the registry of their types."""
    rows = _rows(ids, configs)
    kinds = sorted(rows, key=lambda name: types[name].stage)
    return Chain(
        [policy for name in kinds for policy in _built(types[name], rows[name], context)],
        guarded=any(types[name].guards(config) for name in kinds for _, config in rows[name]),
    )


def _rows(ids: Sequence[str], configs: Mapping[str, Any]) -> dict[str, list[tuple[str, Any]]]:
    rows: dict[str, list[tuple[str, Any]]] = {}
    for id in ids:
        rows.setdefault(id.partition("/")[0], []).append((id, configs[id]))
    return rows


def _built(kind: PolicyType, rows: Sequence[tuple[str, Any]], context: Context) -> list[Policy]:
    if kind.together is not None:
        return [kind.together(rows, context)]
    return [kind.build(id, config, context) for id, config in rows]
