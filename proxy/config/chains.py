"""Policies by id -> the chain of one request.

Rule: policies stand in the order of their stages, whatever the file's order; those of a type that act as one are one.
What follows from the configuration alone is settled once, in a `ChainPlan`; a request only builds its policies.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from policies.base import Context, Policy, PolicyType
from policies.chain import Chain
from proxy.config.models import Config, Model
from proxy.config.problems import ConfigIssue

MAX_TOGETHER: Final = 2_000_000
"""The nodes of all automata that models' lists of policies need beyond those of the policies alone. Compiling so many
takes some ten seconds."""
Row = tuple[str, Any]
"""A policy's id and configuration."""


class ChainPlan:
    """The policies that `ids` name, in the order in which a chain has them. `configs` are the policies' own by id,
    `types` the registry of their types. `guarded` is the chains', `needs_tokenizer` whether one of them counts."""

    def __init__(self, ids: Sequence[str], configs: Mapping[str, Any], types: Mapping[str, PolicyType]) -> None:
        rows = _by_type(ids, configs)
        kinds = sorted(rows, key=lambda name: types[name].stage)
        self._kinds = [(types[name], rows[name]) for name in kinds]
        self.guarded = any(kind.guards(config) for kind, its in self._kinds for _, config in its)
        self.needs_tokenizer = any(kind.needs_tokenizer for kind, _ in self._kinds)

    def chain(self, context: Context) -> Chain:
        """The chain of one request."""
        policies = [policy for kind, rows in self._kinds for policy in _built(kind, rows, context)]
        return Chain(policies, guarded=self.guarded)


def policy_ids(config: Config, model: Model) -> Sequence[str]:
    """The policies of a model, in the file's order."""
    return config.default_policies if model.policies is None else model.policies


def make_chain(
    ids: Sequence[str], configs: Mapping[str, Any], types: Mapping[str, PolicyType], context: Context
) -> Chain:
    """The chain of one request, where there is but one. See `ChainPlan`."""
    return ChainPlan(ids, configs, types).chain(context)


def too_much_together(
    config: Config, configs: Mapping[str, Any], types: Mapping[str, PolicyType]
) -> Iterator[ConfigIssue]:
    """What is wrong when the lists of policies that models have are too much work to compile: each that has several of
    a type which act as one is compiled for itself."""
    left, seen = MAX_TOGETHER, set[tuple[str, ...]]()
    for name, model in config.models.items():
        ids = tuple(policy_ids(config, model))
        if ids in seen:
            continue
        seen.add(ids)
        for kind, rows in _by_type(ids, configs).items():
            size = types[kind].size
            left -= sum(size(row) for _, row in rows) if size is not None and len(rows) > 1 else 0
        if left < 0:
            message = (
                f"is one list of policies too many: all lists that join policies of one type may have {MAX_TOGETHER:,} "
                "nodes together. Give more models the same list, or put the rules that they share into one policy"
            )
            yield ConfigIssue(("models", name), message)
            return


def _by_type(ids: Sequence[str], configs: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The policies of each type, in their order."""
    rows: dict[str, list[Row]] = {}
    for id in ids:
        rows.setdefault(id.partition("/")[0], []).append((id, configs[id]))
    return rows


def _built(kind: PolicyType, rows: Sequence[Row], context: Context) -> list[Policy]:
    if kind.together is not None:
        return [kind.together(rows, context)]
    return [kind.build(id, config, context) for id, config in rows]
