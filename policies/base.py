"""The interface of a policy: a synchronous, pure object, made for each client stream.

A policy has state for one stream only, by choice and channel. It never awaits, logs, or reads a clock or socket. Its
`Context` provides what it needs, and a `Note` carries what it reports. It holds text only while it must. It releases
held text at the choice's `Finish` with a natural reason, and drops it at an unnatural end. A policy that raises ends
the stream, so it fails closed.

A policy sees the request once, before the provider does. `request` may be a plain function if it is little work for
every possible request. If a long request makes it more than a millisecond of work, it is a generator function (see
`policies.steps`). It yields between two steps of the work and returns the verdict. Other streams run in between, and a
client that leaves stops it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from policies.events import Event, Verdict
from policies.prices import Price
from policies.steps import Steps
from policies.texts import CONVERSATION, Texts
from policies.work import Work


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a request that a policy may see and change: the client's JSON body. A policy changes the body alone.

    `texts` lists the places of the texts in the body. `limited` means that a limit of tokens can cut the answer, a
    text.
    """

    body: Mapping[str, Any]
    texts: Texts = CONVERSATION
    limited: bool = True


@dataclass(frozen=True, slots=True)
class Refuse:
    """Rejection of a request by a policy. The client gets `status` with `message`, and nothing goes to the provider."""

    message: str
    code: str
    status: int = 400


class Misconfigured(ValueError):
    """Errors in a policy's configuration.

    Each error has the path to it below the model that raises this (keys and list positions), and a message without any
    value that could be a secret.
    """

    def __init__(self, faults: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(message for _, message in faults))
        self.faults = tuple(faults)


class UnusableFile(Exception):
    """A file named by a configuration cannot be used.

    `fault` says why, as the end of a sentence that begins with the file. `remedy` says what to do.
    """

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}: {remedy}")
        self.fault = fault
        self.remedy = remedy


ReadFile: TypeAlias = Callable[[str], bytes]
"""Returns the content of a file that a configuration names. Raises `UnusableFile`.

A policy's model gets it as `read` of the validation context, because policies open no files.
"""


class Tokenizer(Protocol):
    """Counts the tokens of a text. The names of special tokens are ordinary text."""

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`."""

    def cut(self, text: str, tokens: int) -> int:
        """Return how many whole characters of `text` its first `tokens` tokens contain."""

    def settled(self, text: str, tokens: int) -> int | None:
        """Return the result of `cut` for every text that begins with `text`.

        None if that is not certain, or if such a text has no more tokens.
        """


@dataclass(frozen=True, slots=True)
class Target:
    """Known facts about the provider's model, for policies that set limits.

    `limit` is the request's member that limits its answer. `reasons` means that it may think without being asked, or
    that this is unknown. `max_output` is the highest limit that it accepts, and `price` its price, both None if
    unknown. `usual` is the limit that holds where a request gives none; None: the model's own.
    """

    limit: str = "max_tokens"
    reasons: bool = False
    max_output: int | None = None
    price: Price | None = None
    usual: int | None = None


def _no_tokenizer() -> Tokenizer:
    raise LookupError("this context has no tokenizer: build it with one")


@dataclass(frozen=True, slots=True)
class Context:
    """The environment of a policy's stream.

    - `clock` returns monotonic seconds.
    - `tokenizer` returns the token counter. The first call may have to load it.
    - `spent` is the cost of the request's earlier attempts, in USD.
    - `work` is the request's one budget, shared by all its attempts. Spend from it before walking structure that the
      client wrote.
    - `kept` is data that policies keep for the request's further attempts.
    """

    model: str
    clock: Callable[[], float]
    json_answer: bool = False
    choices: int = 1
    target: Target = Target()
    tokenizer: Callable[[], Tokenizer] = _no_tokenizer
    spent: float = 0.0
    work: Work = field(default_factory=Work)
    kept: dict[Any, Any] = field(default_factory=dict)


class Policy(Protocol):
    """One stage of a chain.

    A policy that only passes `Usage` on may set `wants_usage = False`. Some providers send counts with each chunk, and
    it then does not get them.
    """

    name: str
    deadline: float | None
    """Time of the next `Tick` that the policy needs, on the context's clock. None means never. Read after each feed."""

    def request(self, request: Request) -> Request | Refuse | Steps[Request | Refuse]:
        """Check the request before the provider gets it. Return it, a changed one, or a rejection, in steps if that
        takes long.
        """

    def feed(self, event: Event) -> Iterable[Verdict]:
        """Take one event. Return the events to pass on in its place."""


Build: TypeAlias = Callable[[str, Any, Context], Policy]
"""Makes the policy of one stream: (policy ID, its frozen config, context)."""


@dataclass(frozen=True, slots=True)
class PolicyType:
    """One row of the registry `policies.POLICIES`.

    - `config` is the pydantic model of its YAML.
    - `build` makes the policy of a stream.
    - `stage` is its position in a chain, independent of the order in the file.
    - `guards` returns true for a config that enforces on text. Unknown fields are then kept from the client.
    - `needs_price` allows only models with a known price.
    - `needs_tokenizer` means that it counts tokens. The counter is loaded before it runs.
    """

    config: type[Any]
    build: Build
    stage: int
    guards: Callable[[Any], bool]
    together: Callable[[Sequence[tuple[str, Any]], Context], Policy] | None = None
    """Makes one policy of all (policy ID, config) of this type in a chain, for types whose policies act together."""
    size: Callable[[Any], int] | None = None
    """Returns the size of a config in nodes of automata, for limits on the sum."""
    needs_price: bool = False
    needs_tokenizer: bool = False
