"""The configuration as frozen models. Reading YAML into them, with file, line and path in each error, is
`proxy.config.load`'s.

Rule: a key that is not built is not here, so it is refused; nothing is accepted and ignored. Secrets are `SecretStr`:
they show in no repr. What one value must be is in `proxy.config.fields`; what depends on several in
`proxy.config.references`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from proxy.config.fields import (
    BaseUrl,
    ClientKey,
    Digest,
    Dollars,
    Host,
    NotBool,
    NotEmpty,
    Origin,
    ProviderKey,
    Seconds,
)

Api = Literal["openai", "anthropic", "gemini", "litellm"]


class Strict(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Server(Strict):
    """Where and how the gateway listens. `max_body_mb` is in MiB, `keep_alive` in seconds of client silence before a
    comment goes out, `drain_seconds` is what streams get to end in when the process is told to."""

    host: Host = "127.0.0.1"
    port: Annotated[int, NotBool, Field(ge=0, le=65_535)] = 8080
    max_body_mb: Annotated[float, NotBool, Field(gt=0, le=1024)] = 20
    max_streams: Annotated[int, NotBool, Field(ge=1, le=1_000_000)] = 2000
    keep_alive: Seconds = 15
    drain_seconds: Annotated[float, NotBool, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30
    cors_origins: tuple[Origin, ...] = ()


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
    parameters, for `api: litellm`.
    """

    api: Api | None = None
    api_key: ProviderKey | None = None
    base_url: BaseUrl | None = None
    include_usage: bool = True
    options: dict[str, Any] = Field(default_factory=dict, repr=False)


class Model(Strict):
    """A model that clients may name. `target` is `provider/model`; its `*` takes what the name's `*` matched.

    `engine: litellm` sends a native provider's calls through LiteLLM too. `whole: native` asks the provider for whole
    answers where the client did. `drop_params` drops parameters that the provider lacks, which is a 400 otherwise.
    `policies` None means `default_policies`.
    """

    target: str
    engine: Literal["native", "litellm"] = "native"
    whole: Literal["stream", "native"] = "stream"
    drop_params: bool = False
    policies: tuple[str, ...] | None = None


class Prices(Strict):
    """What a model's tokens cost, in USD per million. Left out: cached and cache-written tokens cost as much as input,
    reasoning as much as output."""

    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    reasoning: Dollars | None = None


class Timeouts(Strict):
    """Limits in seconds: connecting, until the first token, between chunks, a blocked write to the client, the whole
    request."""

    connect: Seconds = 5
    first_token: Seconds = 60
    idle: Seconds = 30
    write: Seconds = 30
    total: Seconds = 600


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
