"""What a policy is: a synchronous, pure object, made anew for each client stream.

Rules. A policy has state for one stream only, keyed by choice and channel. It never awaits, logs, or reads a clock or
socket: what it needs comes in its `Context`, what it wants told goes out as a `Note`. It holds text back only while it
must, and releases it when it sees the choice's `Finish` with a natural reason, or drops it when the end is unnatural. A
policy that raises ends the stream: fail closed.

A policy sees the request once, before the provider does. `request` may be a plain function where that is little work,
whatever the client sends. Where a long request makes it more than a millisecond of work, it is a generator function
(see `policies.steps`): it yields between two steps of the work and returns the verdict. Then other streams go on in
between, and a client that leaves stops it.
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

    `texts` says where in the body the texts are. `limited` tells whether the answer is a text that a limit of tokens
    can cut.
    """

    body: Mapping[str, Any]
    texts: Texts = CONVERSATION
    limited: bool = True


@dataclass(frozen=True, slots=True)
class Refuse:
    """A policy's refusal of a request; the client gets `status` with `message`, and nothing goes to the provider."""

    message: str
    code: str
    status: int = 400


class Misconfigured(ValueError):
    """What is wrong with a policy's configuration: for each fault the way to it below the model that raises this (keys
    and list positions), and a message without any value that could be a secret."""

    def __init__(self, faults: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(message for _, message in faults))
        self.faults = tuple(faults)


class UnusableFile(Exception):
    """A file that a configuration names cannot be used. `fault` says why, as the end of a sentence that begins with the
    file, and `remedy` what to do."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}: {remedy}")
        self.fault = fault
        self.remedy = remedy


ReadFile: TypeAlias = Callable[[str], bytes]
"""Gives what a file holds that a configuration names. Raises `UnusableFile`. A policy's model gets it as `read` of the
validation's context: policies open no files."""


class Tokenizer(Protocol):
    """Counts the tokens of a text, every special token's name being text like any other."""

    def count(self, text: str) -> int:
        """How many tokens `text` has."""

    def cut(self, text: str, tokens: int) -> int:
        """How many whole characters of `text` its first `tokens` tokens hold."""

    def settled(self, text: str, tokens: int) -> int | None:
        """The same for every text that begins with `text`; None if that is not certain, or if one has no more tokens
        than that."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is known of the provider's model, for those who set limits.

    `limit` is the request's member that limits its answer. `reasons`: it may think without being asked, or nobody knows
    whether it does. `max_output` is the highest limit that it takes, `price` what it costs; None when nobody knows.
    """

    limit: str = "max_tokens"
    reasons: bool = False
    max_output: int | None = None
    price: Price | None = None


def _no_tokenizer() -> Tokenizer:
    raise LookupError("this context has no tokenizer: build it with one")


@dataclass(frozen=True, slots=True)
class Context:
    """What a policy may know of its stream. `clock` gives seconds, monotonic. `tokenizer` gives the token counter; the
    first call may have to load it. `spent` is the cost of the request's attempts before this one, in USD. `work` is the
    request's one budget, shared by all its attempts: spend from it before walking structure that the client wrote.
    `kept` is what policies keep of the request for its further attempts."""

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
    """One stage of a chain. One that does nothing but pass `Usage` on may say `wants_usage = False`: some providers
    send counts with each chunk, and it need not be shown them."""

    name: str
    deadline: float | None
    """When the policy wants a `Tick`, on the context's clock; None for never. Read again after each feed."""

    def request(self, request: Request) -> Request | Refuse | Steps[Request | Refuse]:
        """See, and perhaps change or refuse, the request before the provider does; in steps where that takes long."""

    def feed(self, event: Event) -> Iterable[Verdict]:
        """Take one event, give what should go on in its place."""


Build: TypeAlias = Callable[[str, Any, Context], Policy]
"""Makes the policy of one stream: (policy id, its frozen config, context)."""


@dataclass(frozen=True, slots=True)
class PolicyType:
    """One row of the registry `policies.POLICIES`: how to read a policy's YAML, how to build it, where it stands in a
    chain.

    `config` is the pydantic model of its YAML. `stage` orders a chain whatever the file's order. `guards` tells from a
    config whether it enforces on text: then fields that we don't know are kept from the client. `needs_price`: it is
    only for models whose price is known. `needs_tokenizer`: it counts tokens; the counter is loaded before it runs.
    """

    config: type[Any]
    build: Build
    stage: int
    guards: Callable[[Any], bool]
    together: Callable[[Sequence[tuple[str, Any]], Context], Policy] | None = None
    """Makes one policy of all (policy id, config) of this type in a chain, for types of which several must act as
    one."""
    size: Callable[[Any], int] | None = None
    """What a config counts as where several are made one, in nodes of automata."""
    needs_price: bool = False
    needs_tokenizer: bool = False
