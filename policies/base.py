"""What a policy is: a synchronous, pure object, made anew for each client stream.

Rules. A policy has state for one stream only, keyed by choice and channel. It never awaits, logs, or reads a clock or
socket: what it needs comes in its `Context`, what it wants told goes out as a `Note`. It holds text back only while it
must, and releases it when it sees the choice's `Finish` with a natural reason, or drops it when the end is unnatural. A
policy that raises ends the stream: fail closed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from policies.events import Event, Verdict


@dataclass(frozen=True, slots=True)
class Request:
    """What a policy may see and change of a request: the client's JSON body in OpenAI's chat-completions format."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refuse:
    """A policy's refusal of a request; the client gets `status` with `message`, and nothing goes to the provider."""

    message: str
    code: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Context:
    """What a policy may know of its stream. `clock` gives seconds, monotonic."""

    model: str
    clock: Callable[[], float]
    json_answer: bool = False
    choices: int = 1


class Policy(Protocol):
    """One stage of a chain."""

    name: str
    deadline: float | None
    """When the policy wants a `Tick`, on the context's clock; None for never. Read again after each feed."""

    def request(self, request: Request) -> Request | Refuse:
        """See, and perhaps change or refuse, the request before the provider does."""

    def feed(self, event: Event) -> Iterable[Verdict]:
        """Take one event, give what should go on in its place."""


Build: TypeAlias = Callable[[str, Any, Context], Policy]
"""Makes the policy of one stream: (policy id, its frozen config, context)."""


@dataclass(frozen=True, slots=True)
class PolicyType:
    """One row of the registry `policies.POLICIES`: how to read a policy's YAML, how to build it, where it stands in a
    chain.

    `config` is the pydantic model of its YAML. `stage` orders a chain whatever the file's order. `guards` tells from a
    config whether it enforces on text: then fields that we don't know are kept from the client.
    """

    config: type[Any]
    build: Build
    stage: int
    guards: Callable[[Any], bool]
    together: Callable[[Sequence[tuple[str, Any]], Context], Policy] | None = None
    """Makes one policy of all (policy id, config) of this type in a chain, for types of which several must act as
    one."""
