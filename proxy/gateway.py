"""What the endpoints share: the configuration and the process's one of each thing. Made by `proxy.app`, used by
`proxy.api`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policies.base import Context, PolicyType
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
        """The policies of one request, in the order of their stages."""
        ids = self.config.default_policies if model.policies is None else model.policies
        rows = [(self.policies[id.partition("/")[0]], id, self.config.policies[id]) for id in ids]
        rows.sort(key=lambda row: row[0].stage)
        return Chain(
            [kind.build(id, config, context) for kind, id, config in rows],
            guarded=any(kind.guards(config) for kind, _, config in rows),
        )

    def record(self, record: Record) -> None:
        """Tell every recorder of a request that is over."""
        record.ended()
        for recorder in self.recorders:
            recorder(record)
