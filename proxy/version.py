"""One version of the configuration, ready to serve.

A request keeps its version to the end, so a reload never mixes two. A version is complete before it is published, and
never changes. It caches only derived values.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.base import Context, PolicyType
from proxy.access.keys import Keyring
from proxy.accounting import tokenizers
from proxy.config.chains import ChainPlan, policy_ids
from proxy.config.models import Config, Model
from proxy.config.resolve import Resolved, fallbacks, resolve

MAX_NAMES = 1_000
"""Size limit of the cache of names that clients asked for. Wildcards match any number of names."""


@dataclass(frozen=True, slots=True)
class ModelBinding:
    """The binding of a name that clients use: its model, the fallbacks, and the policies.

    `bases` are the tokenizers that its policies need.
    """

    model: Resolved
    fallbacks: tuple[Resolved, ...]
    policies: ChainPlan
    bases: frozenset[tokenizers.Basis]


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration that is ready to serve. `id` changes with the file and with the files that it names."""

    id: str
    config: Config
    keyring: Keyring
    policies: Mapping[str, PolicyType]
    _known: dict[str, ModelBinding] = field(default_factory=dict, repr=False, compare=False)

    def standing(self, name: str) -> ModelBinding | None:
        """Return the binding of a model's name, or None if the name is unknown."""
        known = self._known.get(name)
        return self._find(name) if known is None else known

    def plan(self, model: Model) -> ChainPlan:
        """Return a model's policies in the order of their stages. Policies that act together are merged."""
        return ChainPlan(policy_ids(self.config, model), self.config.policies, self.policies)

    def bases(self) -> list[tokenizers.Basis]:
        """List the tokenizers that token caps need."""
        counting = {ids for ids, model in _distinct(self.config).items() if self.plan(model).needs_tokenizer}
        models = [model for model in self.config.models.values() if _ids(self.config, model) in counting]
        wanted = [place.target.partition("/")[2] for model in models for place in model.places]
        return list(dict.fromkeys(tokenizers.basis(model) for model in wanted))

    def _find(self, name: str) -> ModelBinding | None:
        model = resolve(self.config, name)
        if model is None:
            return None
        others = fallbacks(self.config, model)
        plan = self.plan(model.settings)
        places = [place for one in (model, *others) for place in one.places] if plan.needs_tokenizer else ()
        found = ModelBinding(model, tuple(others), plan, frozenset(tokenizers.basis(place.model) for place in places))
        if len(self._known) >= MAX_NAMES:
            self._known.clear()
        self._known[name] = found
        return found


def make_version(config: Config, policies: Mapping[str, PolicyType], id: str = "") -> Version:
    """Make the version of a loaded configuration, and compile the policies that act together.

    This may take a second, so a running gateway calls it in a thread.
    """
    version = Version(id, config, Keyring(config.auth), policies)
    for model in _distinct(config).values():
        version.plan(model).chain(Context("", time.monotonic))
    return version


def _distinct(config: Config) -> dict[tuple[str, ...], Model]:
    """Map each distinct list of policies to a model that has it."""
    return {_ids(config, model): model for model in config.models.values()}


def _ids(config: Config, model: Model) -> tuple[str, ...]:
    return tuple(policy_ids(config, model))
