"""One version of the configuration, ready to serve. A request keeps the version that it began with to its end, so a
reload never mixes two.

Rule: a version is made whole before anyone sees it, and never changes.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.base import Context, Policy, PolicyType
from policies.chain import Chain
from proxy.access.keys import Keyring
from proxy.config.models import Config, Model
from proxy.upstreams import tokenizers


@dataclass(frozen=True, slots=True)
class Version:
    """`id` tells versions apart: it changes with the file, and with the files that it names."""

    id: str
    config: Config
    keyring: Keyring
    policies: Mapping[str, PolicyType]

    def chain(self, model: Model, context: Context) -> Chain:
        """The policies of one request, in the order of their stages; those of a type that act as one are one."""
        rows: dict[str, list[tuple[str, Any]]] = {}
        for id in self._ids(model):
            rows.setdefault(id.partition("/")[0], []).append((id, self.config.policies[id]))
        kinds = sorted(rows, key=lambda name: self.policies[name].stage)
        return Chain(
            [policy for name in kinds for policy in _built(self.policies[name], rows[name], context)],
            guarded=any(self.policies[name].guards(config) for name in kinds for _, config in rows[name]),
        )

    def counts_tokens(self, model: Model) -> bool:
        """Whether a policy of `model` wants a tokenizer."""
        return any(self.policies[id.partition("/")[0]].needs_tokenizer for id in self._ids(model))

    def bases(self) -> list[tokenizers.Basis]:
        """The tokenizers that caps will want."""
        models = [model for model in self.config.models.values() if self.counts_tokens(model)]
        wanted = [place.target.partition("/")[2] for model in models for place in model.places]
        return list(dict.fromkeys(tokenizers.basis(model) for model in wanted))

    def _ids(self, model: Model) -> Sequence[str]:
        return self.config.default_policies if model.policies is None else model.policies


def make_version(config: Config, policies: Mapping[str, PolicyType], id: str = "") -> Version:
    """The version of a loaded configuration. What policies compile together is compiled here, once; it may take a
    second, so that a running gateway calls this in a thread."""
    version = Version(id, config, Keyring(config.auth), policies)
    for name, model in config.models.items():
        version.chain(model, Context(name, time.monotonic))
    return version


def _built(kind: PolicyType, rows: Sequence[tuple[str, Any]], context: Context) -> list[Policy]:
    if kind.together is not None:
        return [kind.together(rows, context)]
    return [kind.build(id, config, context) for id, config in rows]
