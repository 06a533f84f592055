"""One version of the configuration, ready to serve. A request keeps the version that it began with to its end, so a
reload never mixes two.

Rule: a version is made whole before anyone sees it, and never changes.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from policies.base import Context, PolicyType
from policies.chain import Chain
from proxy.access.keys import Keyring
from proxy.config.chains import make_chain, policy_ids
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
        return make_chain(policy_ids(self.config, model), self.config.policies, self.policies, context)

    def counts_tokens(self, model: Model) -> bool:
        """Whether a policy of `model` wants a tokenizer."""
        return any(self.policies[id.partition("/")[0]].needs_tokenizer for id in policy_ids(self.config, model))

    def bases(self) -> list[tokenizers.Basis]:
        """The tokenizers that caps will want."""
        models = [model for model in self.config.models.values() if self.counts_tokens(model)]
        wanted = [place.target.partition("/")[2] for model in models for place in model.places]
        return list(dict.fromkeys(tokenizers.basis(model) for model in wanted))


def make_version(config: Config, policies: Mapping[str, PolicyType], id: str = "") -> Version:
    """The version of a loaded configuration. What policies compile together is compiled here, once; it may take a
    second, so that a running gateway calls this in a thread."""
    version = Version(id, config, Keyring(config.auth), policies)
    for name, model in config.models.items():
        version.chain(model, Context(name, time.monotonic))
    return version
