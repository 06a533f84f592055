"""Answers of the simulator: one description for the formats of three providers.

An `Answer` is a value that says everything: the text, its pieces and pace, and the faults. It knows no provider and no
socket. Times are seconds. Sizes are characters (of text) or bytes (of TCP writes).
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError

from policies.events import FinishReason

FaultKind: TypeAlias = Literal["status", "stall", "drop", "reset", "error", "eof", "malformed"]
_NEEDS_A_STREAM = frozenset({"error", "eof", "malformed"})

CHARACTERS_A_TOKEN = 4
"""The simulator's tokenizer. It is deterministic, and simple enough for mental arithmetic in a test."""


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault and its place.

    `after` None is before the response's head, and 0 is between the head and the first event. k is after k pieces of
    text, or after all if there are fewer. `times` limits the fault to the first calls of this model. The kinds are:

    - `status`: an HTTP error with `status`, and `Retry-After` in seconds if given
    - `stall`: silence forever
    - `drop`: the connection is closed
    - `reset`: TCP RST
    - `error`: the provider's own error event for `status`
    - `eof`: the body ends properly, but the answer is incomplete
    - `malformed`: an event that is not JSON, after which the answer continues
    """

    kind: FaultKind
    after: int | None = None
    status: int = 503
    retry_after: int | None = None
    message: str | None = None
    times: int | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        if self.kind == "status" and self.after is not None:
            raise ValueError("a status fault comes before the head: leave `after` out, or use the kind `error`")
        if self.kind in _NEEDS_A_STREAM and self.after is None:
            raise ValueError(f"a fault of kind {self.kind} comes after the head: give `after` (0 or more pieces)")
        if self.after is not None and self.after < 0:
            raise ValueError("`after` counts pieces of text: give 0 or more, or leave it out for before the head")
        if not 400 <= self.status <= 599:
            raise ValueError(f"a fault's status is an HTTP error's: give 400 to 599, not {self.status}")


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call of the answer. `arguments` is JSON text. Gemini supports only arguments that are a JSON object."""

    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts in OpenAI's meaning: `prompt` includes `cached`, `completion` includes `reasoning`."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. A plain `Answer("text")` comes in pieces of four characters, as fast as the client reads.

    Content: `text` (one for all choices, or one for each), `reasoning`, `refusal`, `tools` (parallel calls). `choices`
    None means as many as requested. `finish` None means `tool_calls` with tools, else `stop`. `tokens` None means
    counted (`CHARACTERS_A_TOKEN`). `tells_usage` False leaves usage out.

    Cutting: `chunk` characters a piece (0: one piece). With a `seed`, sizes are random from 1 to twice that. `batch`
    pieces a write. `cut` bytes a TCP write, at any place (0: whole writes).

    Times: `head_delay` before the head, `first_delay` before the first piece, `pace` between pieces. `drip` between TCP
    writes of `cut` bytes (of one byte if `cut` is 0).
    """

    text: str | tuple[str, ...] = ""
    reasoning: str = ""
    refusal: str = ""
    tools: tuple[ToolUse, ...] = ()
    choices: int | None = None
    finish: FinishReason | None = None
    tokens: Tokens | None = None
    tells_usage: bool = True
    chunk: int = 4
    seed: int | None = None
    batch: int = 1
    cut: int = 0
    head_delay: float = 0
    first_delay: float = 0
    pace: float = 0
    drip: float = 0
    fault: InjectedFault | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        times = (self.head_delay, self.first_delay, self.pace, self.drip)
        if min(self.chunk, self.cut, *times) < 0 or self.batch < 1:
            raise ValueError("sizes and times of an answer are 0 or more, `batch` 1 or more")

    @property
    def write_size(self) -> int:
        """Bytes of each TCP write. 0 means whole writes."""
        return self.cut or (1 if self.drip else 0)

    def text_of(self, choice: int) -> str:
        """Return the text of one choice. The last given text serves all further choices."""
        if isinstance(self.text, str):
            return self.text
        return self.text[min(choice, len(self.text) - 1)] if self.text else ""

    @property
    def finish_reason(self) -> FinishReason:
        return self.finish or ("tool_calls" if self.tools else "stop")


_READER = TypeAdapter(Answer)


def read_answer(value: Any) -> Answer:
    """Read an answer from JSON data, with the members of `Answer`. Raises ValueError that names each wrong one."""
    try:
        return _READER.validate_python(value)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors())
        raise ValueError(
            f"not an answer: {wrong}. Its members are those of Answer in proxy/simulator/answers.py"
        ) from None


def tokens_in(text: str) -> int:
    """Count the tokens of a text in the simulator's way."""
    return -(-len(text) // CHARACTERS_A_TOKEN)
