"""What the endpoints share: the configuration's version at hand and the process's one of each thing. Made by
`proxy.app`, used by `proxy.api`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.access.bodies import Bodies
from proxy.access.connections import Connections, allowed
from proxy.accounting import tokenizers
from proxy.accounting.pricing import table
from proxy.accounting.record import Record, Recorder
from proxy.accounting.totals import Totals
from proxy.config.models import Config
from proxy.config.resolve import ResolvedTarget
from proxy.providers.base import Upstream
from proxy.routing.targets import Targets
from proxy.streaming.registry import Streams
from proxy.telemetry.service import Telemetry
from proxy.turns import Turns
from proxy.version import Version

DEFAULT_INFLIGHT_MB = 512
"""MiB that requests' bodies may hold where `server.max_inflight_mb` is not set; more where single bodies may be large.
"""


def body_bounds(config: Config) -> tuple[int, int]:
    """The bytes that requests' bodies may hold together, and those of one client: half, where there are others."""
    server = config.server
    megabytes = server.max_inflight_mb or max(DEFAULT_INFLIGHT_MB, 16 * server.max_body_mb)
    most = int(megabytes * 2**20)
    alone = config.auth is None or len(config.auth.keys) == 1
    return most, most if alone else most // 2


@dataclass(slots=True)
class Gateway:
    """The running gateway. `version` is what new requests begin with. `upstreams` has a way to reach providers for each
    engine: `native` and `litellm`. `bodies` is the memory of all requests' bodies, `connections` are those from
    clients."""

    version: Version
    streams: Streams
    bodies: Bodies
    connections: Connections
    targets: Targets
    upstreams: Mapping[str, Upstream]
    recorders: Sequence[Recorder]
    telemetry: Telemetry
    tally: Totals = field(default_factory=Totals)
    turns: Turns = field(default_factory=Turns)
    _loaded: set[str] = field(default_factory=set)

    @property
    def config(self) -> Config:
        """The configuration that new requests begin with."""
        return self.version.config

    def use(self, version: Version) -> None:
        """Let new requests begin with `version`; those in flight keep theirs."""
        limits = version.config.server
        self.streams.slots.resize(limits.max_streams, limits.max_queued, limits.queue_seconds)
        self.bodies.resize(*body_bounds(version.config))
        self.connections.most = allowed(limits.max_streams)
        self.targets.use(version.config.retries, limits)
        self.telemetry.use(version.config)
        self.version = version

    def upstream(self, place: ResolvedTarget) -> Upstream:
        """The way to reach a target."""
        return self.upstreams["litellm" if "litellm" in (place.api, place.settings.engine) else "native"]

    async def ready(self, basis: tokenizers.Basis) -> None:
        """Have a tokenizer at hand. Loading takes up to half a second: not on the event loop."""
        if basis not in self._loaded:
            await asyncio.to_thread(tokenizers.load, basis)
            self._loaded.add(basis)

    async def warm(self) -> None:
        """Load what the first request would wait for: the table of models, the tokenizers that caps will want."""
        await asyncio.to_thread(table.find, "")
        for basis in self.version.bases():
            await self.ready(basis)

    def record(self, record: Record) -> None:
        """Tell every recorder of a request that is over."""
        self.tally.add(record)
        for recorder in self.recorders:
            recorder(record)
