"""What the endpoints share: the configuration and the process's one of each thing. Made by `proxy.app`, used by
`proxy.api`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.base import Context, Policy, PolicyType
from policies.chain import Chain
from proxy.access.keys import Keyring
from proxy.config.models import Config, Model
from proxy.config.resolve import Place
from proxy.pricing import table
from proxy.record import Record, Recorder
from proxy.routing.targets import Targets
from proxy.streams import Streams
from proxy.upstreams import tokenizers
from proxy.upstreams.base import Upstream


@dataclass(slots=True)
class Gateway:
    """The running gateway. `upstreams` has a way to reach providers for each engine: `native` and `litellm`."""

    config: Config
    keyring: Keyring
    streams: Streams
    targets: Targets
    upstreams: Mapping[str, Upstream]
    policies: Mapping[str, PolicyType]
    recorders: Sequence[Recorder]
    _loaded: set[str] = field(default_factory=set)

    def upstream(self, place: Place) -> Upstream:
        """The way to reach a target."""
        return self.upstreams["litellm" if "litellm" in (place.api, place.settings.engine) else "native"]

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

    async def ready(self, basis: tokenizers.Basis) -> None:
        """Have a tokenizer at hand. Loading takes up to half a second: not on the event loop."""
        if basis not in self._loaded:
            await asyncio.to_thread(tokenizers.load, basis)
            self._loaded.add(basis)

    async def warm(self) -> None:
        """Load what the first request would wait for: the table of models, the tokenizers that caps will want."""
        await asyncio.to_thread(table.find, "")
        for model in self.config.models.values():
            for target in model.places if self.counts_tokens(model) else ():
                await self.ready(tokenizers.basis(target.target.partition("/")[2]))

    def _ids(self, model: Model) -> Sequence[str]:
        return self.config.default_policies if model.policies is None else model.policies

    def record(self, record: Record) -> None:
        """Tell every recorder of a request that is over."""
        record.ended()
        for recorder in self.recorders:
            recorder(record)


def _built(kind: PolicyType, rows: Sequence[tuple[str, Any]], context: Context) -> list[Policy]:
    if kind.together is not None:
        return [kind.together(rows, context)]
    return [kind.build(id, config, context) for id, config in rows]
