"""What the endpoints share: the configuration and the process's one of each thing. Made by `proxy.app`, used by
`proxy.api`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.base import Context, Policy, PolicyType
from policies.chain import Chain
from proxy.access.keys import Keyring
from proxy.config.models import Config, Model
from proxy.record import Record, Recorder
from proxy.streams import Streams
from proxy.upstreams.base import Upstream


@dataclass(slots=True)
class Gateway:
    """The running gateway. `upstreams` has a way to reach providers for each engine: `native` and `litellm`."""

    config: Config
    keyring: Keyring
    streams: Streams
    upstreams: Mapping[str, Upstream]
    policies: Mapping[str, PolicyType]
    recorders: Sequence[Recorder]

    def upstream(self, api: str, model: Model) -> Upstream:
        """The way to reach a provider that speaks `api`, for calls of `model`."""
        return self.upstreams["litellm" if "litellm" in (api, model.engine) else "native"]

    def chain(self, model: Model, context: Context) -> Chain:
        """The policies of one request, in the order of their stages; those of a type that act as one are one."""
        ids = self.config.default_policies if model.policies is None else model.policies
        rows: dict[str, list[tuple[str, Any]]] = {}
        for id in ids:
            rows.setdefault(id.partition("/")[0], []).append((id, self.config.policies[id]))
        kinds = sorted(rows, key=lambda name: self.policies[name].stage)
        return Chain(
            [policy for name in kinds for policy in _built(self.policies[name], rows[name], context)],
            guarded=any(self.policies[name].guards(config) for name in kinds for _, config in rows[name]),
        )

    def record(self, record: Record) -> None:
        """Tell every recorder of a request that is over."""
        record.ended()
        for recorder in self.recorders:
            recorder(record)


def _built(kind: PolicyType, rows: Sequence[tuple[str, Any]], context: Context) -> list[Policy]:
    if kind.together is not None:
        return [kind.together(rows, context)]
    return [kind.build(id, config, context) for id, config in rows]
