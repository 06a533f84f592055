"""The pure facts of a provider's wire format, one instance for each format. `proxy.formats.registry` lists them.

Rule: code outside a format's package and its entry in `proxy.providers.registry` asks these facts. It never compares
the name of a provider.
"""

from dataclasses import dataclass
from typing import Final

COMMON_LIMIT: Final = "max_tokens"
"""The request's member that limits an answer, where a format says nothing else."""


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """Facts of one wire format, as they stand in the configuration, in prices and in telemetry.

    `name` is the value of a provider's `api`, and the name of the provider that has this format without saying so.
    `base_url` is that provider's address, None where the format belongs to no single provider. It ends before
    `version`, which the gateway adds. `shared` tells that other servers speak the format too. `slashes` allows `/` in
    what a model's `*` takes. `include_usage` tells that the provider's key of this name has an effect.

    `own_models` tells that the price table has the provider's models by their name alone. `limit` is the request's
    member that limits an answer at the provider itself. `thinks_unasked` tells that its reasoning models think even if
    the request does not ask for it. `telemetry` is OpenTelemetry's `gen_ai.provider.name`.

    `event_member` is a member that only this format's events have; a recording's format is told by it. `last_event`
    are the bytes that the last event of a stream begins with, empty where the format has no such event.
    """

    name: str
    base_url: str | None = None
    version: str = ""
    shared: bool = False
    slashes: bool = False
    include_usage: bool = True
    own_models: bool = True
    limit: str = COMMON_LIMIT
    thinks_unasked: bool = True
    telemetry: str = ""
    event_member: str = ""
    last_event: bytes = b""
