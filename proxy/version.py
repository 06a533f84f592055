"""One version of the configuration, ready to serve. A request keeps the version that it began with to its end, so a
reload never mixes two.

Rule: a version is made whole before anyone sees it, and never changes. What it remembers is what follows from it.
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
"""Names that clients asked for, whose standing is remembered. Wildcards take any number of them."""


@dataclass(frozen=True, slots=True)
class ModelBinding:
    """What a name that a client asks for stands for: the model, those that serve when it cannot, and its policies.
    `bases` are the tokenizers that its policies want."""

    model: Resolved
    fallbacks: tuple[Resolved, ...]
    policies: ChainPlan
    bases: frozenset[tokenizers.Basis]


@dataclass(frozen=True, slots=True)
class Version:
    """`id` tells versions apart: it changes with the file, and with the files that it names."""

    id: str
    config: Config
    keyring: Keyring
    policies: Mapping[str, PolicyType]
    _known: dict[str, ModelBinding] = field(default_factory=dict, repr=False, compare=False)

    def standing(self, name: str) -> ModelBinding | None:
        """What a model's name stands for; None if nothing."""
        known = self._known.get(name)
        return self._find(name) if known is None else known

    def plan(self, model: Model) -> ChainPlan:
        """The policies of a model, in the order of their stages; those of a type that act as one are one."""
        return ChainPlan(policy_ids(self.config, model), self.config.policies, self.policies)

    def bases(self) -> list[tokenizers.Basis]:
        """The tokenizers that caps will want."""
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
    """The version of a loaded configuration. What policies compile together is compiled here, once; it may take a
    second, so that a running gateway calls this in a thread."""
    version = Version(id, config, Keyring(config.auth), policies)
    for model in _distinct(config).values():
        version.plan(model).chain(Context("", time.monotonic))
    return version


def _distinct(config: Config) -> dict[tuple[str, ...], Model]:
    """A model for each list of policies that some model has."""
    return {_ids(config, model): model for model in config.models.values()}


def _ids(config: Config, model: Model) -> tuple[str, ...]:
    return tuple(policy_ids(config, model))
