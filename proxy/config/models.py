"""The configuration as frozen models. Reading YAML into them, with file, line and path in each error, is
`proxy.config.load`'s.

Rule: a key that is not built is not here, so it is refused; nothing is accepted and ignored. Secrets are `SecretStr`:
they show in no repr. What one value must be is in `proxy.config.fields`; what depends on several in
`proxy.config.references`.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from proxy.config.fields import (
    BaseUrl,
    ClientKey,
    Digest,
    Dollars,
    Host,
    Network,
    NotBool,
    NotEmpty,
    Origin,
    ProviderKey,
    Seconds,
)
from proxy.config.strict import Strict as Strict
from proxy.config.telemetry import Telemetry
from proxy.formats.registry import FORMATS

if TYPE_CHECKING:
    Api: TypeAlias = str
else:
    Api = Literal[tuple(FORMATS)]
    """A wire format's name. Which there are is known at run time alone."""


class Server(Strict):
    """Where and how the gateway listens. `max_body_mb` is in MiB, and so are `max_answer_mb`, the largest answer that
    is sent in one piece, and `max_inflight_mb`, what the bodies of all requests take in memory (None: 512, or 16 times
    `max_body_mb` where that is more). `keep_alive` is in seconds of client silence before a comment goes out,
    `drain_seconds` is what streams get to end in when the process is told to. `max_streams` requests are served at
    once; up to `max_queued` more wait for `queue_seconds`, the rest is refused."""

    host: Host = "127.0.0.1"
    port: Annotated[int, NotBool, Field(ge=0, le=65_535)] = 8080
    max_body_mb: Annotated[float, NotBool, Field(gt=0, le=1024)] = 20
    max_answer_mb: Annotated[float, NotBool, Field(gt=0, le=1024)] = 64
    max_inflight_mb: Annotated[float, NotBool, Field(gt=0, le=1024 * 1024)] | None = None
    max_streams: Annotated[int, NotBool, Field(ge=1, le=1_000_000)] = 2000
    max_queued: Annotated[int, NotBool, Field(ge=0, le=100_000)] = 100
    queue_seconds: Seconds = 2
    keep_alive: Seconds = 15
    drain_seconds: Annotated[float, NotBool, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30
    cors_origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()


class Key(Strict):
    """A client's key: `key` in clear (from the environment) or its `sha256` in hex; `models` are globs over model
    names."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    key: ClientKey | None = None
    sha256: Digest | None = None
    models: Annotated[tuple[str, ...], NotEmpty] = ("*",)
    admin: bool = False


class Auth(Strict):
    """Who may use the gateway. Left out: anyone, on loopback only."""

    keys: Annotated[tuple[Key, ...], NotEmpty]


class Provider(Strict):
    """A provider. `api` is the wire format, by default that of the provider's name. `base_url` as in the provider's own
    SDK. In a loaded configuration `api` is always set, and `base_url` but for `api: litellm`.

    `include_usage: false` is for OpenAI-format servers that refuse `stream_options`. `options` are LiteLLM's named
    parameters, for `api: litellm`. `trace_context` tells whether it is sent the trace's context; None: only on this
    machine or a private network.
    """

    api: Api | None = None
    api_key: ProviderKey | None = None
    base_url: BaseUrl | None = None
    include_usage: bool = True
    options: dict[str, Any] = Field(default_factory=dict, repr=False)
    trace_context: bool | None = None


Whole = Literal["stream", "native"]
Ability = Literal["images", "audio", "files", "tools", "json_schema"]


class Target(Strict):
    """One of several places that can serve a model: `target` is `provider/model`. `weight` is its share under
    `strategy: weighted`; `max_streams` of its requests are served at once; `whole` goes before the model's.
    `context_window` (tokens of prompt) and `supports` go before what LiteLLM's table says that the target takes."""

    target: str
    weight: Annotated[float, NotBool, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 1
    max_streams: Annotated[int, NotBool, Field(ge=1, le=1_000_000)] | None = None
    whole: Whole | None = None
    context_window: Annotated[int, NotBool, Field(ge=1)] | None = None
    supports: tuple[Ability, ...] | None = None


def _spelled_out(value: Any) -> Any:
    return {"target": value} if isinstance(value, str) else value


class Model(Strict):
    """A model that clients may name. It has one `target`, `provider/model`, or several `targets` of which `strategy`
    puts one first; a target's `*` takes what the name's `*` matched. `fallbacks` are other models that serve the
    request when these cannot.

    `engine: litellm` sends a native provider's calls through LiteLLM too. `whole: native` asks the provider for whole
    answers where the client did. `drop_params` drops parameters that the provider lacks, which is a 400 otherwise.
    `policies` None means `default_policies`; they hold for fallbacks too.
    """

    target: str | None = None
    targets: tuple[Annotated[Target, BeforeValidator(_spelled_out, json_schema_input_type=str | Target)], ...] = ()
    strategy: Literal["weighted", "lowest_latency", "lowest_cost"] = "weighted"
    fallbacks: tuple[str, ...] = ()
    engine: Literal["native", "litellm"] = "native"
    whole: Whole = "stream"
    drop_params: bool = False
    policies: tuple[str, ...] | None = None

    @property
    def places(self) -> tuple[Target, ...]:
        """Its targets, however many it has."""
        return self.targets if self.target is None else (Target(target=self.target),)


class Prices(Strict):
    """What a model's tokens cost, in USD per million. Left out: cached and cache-written tokens cost as much as input,
    reasoning as much as output."""

    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    reasoning: Dollars | None = None


class Timeouts(Strict):
    """Limits in seconds: a request's body, connecting, until the first token, between chunks, a blocked write to the
    client, the whole request behind its body."""

    body: Seconds = 60
    connect: Seconds = 5
    first_token: Seconds = 60
    idle: Seconds = 30
    write: Seconds = 30
    total: Seconds = 600


class Backoff(Strict):
    """Seconds before a target is tried again: `initial` before the first retry, twice as much before each further one,
    at most `max`; of that a random part. A provider's `Retry-After` is waited for if it is no longer than `max`."""

    initial: Seconds = 0.5
    max: Seconds = 8


class Cooldown(Strict):
    """A target is left alone for `seconds` when `failures` attempts of the last `window` seconds failed at it, and they
    are at least a `share` of all. Then a few requests try it."""

    failures: Annotated[int, NotBool, Field(ge=1, le=1_000_000)] = 5
    share: Annotated[float, NotBool, Field(gt=0, le=1)] = 0.5
    window: Seconds = 60
    seconds: Seconds = 30


class Retries(Strict):
    """What is done when a provider fails before the client got anything: up to `attempts` for each model, the first one
    counted. `budget` is the share of a provider's requests that may be retries."""

    attempts: Annotated[int, NotBool, Field(ge=1, le=20)] = 3
    backoff: Backoff = Backoff()
    cooldown: Cooldown = Cooldown()
    budget: Annotated[float, NotBool, Field(gt=0, le=1)] = 0.2


class Simulator(Strict):
    """The built-in stand-in for the providers, started with the gateway, on loopback."""

    port: Annotated[int, NotBool, Field(ge=1, le=65_535)] = 8089


class Config(Strict):
    """The whole file, validated: every reference in it resolves.

    `policies` are the policies' own frozen configs by id. `prices` go before LiteLLM's; a name is the provider's model,
    or `provider/model`, and may hold one `*`.
    """

    server: Server = Server()
    auth: Auth | None = None
    simulator: Simulator | None = None
    providers: Annotated[dict[str, Provider], NotEmpty]
    models: Annotated[dict[str, Model], NotEmpty]
    default_policies: tuple[str, ...] = ()
    policies: dict[str, Any] = Field(default_factory=dict)
    prices: dict[str, Prices] = Field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    telemetry: Telemetry = Telemetry()
