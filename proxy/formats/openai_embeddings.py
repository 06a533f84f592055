"""POST /v1/embeddings in OpenAI's format: the request's checks, the decoder of an answer, the answer for the client.

Rule: of an answer nothing goes on but the vectors and the counts. Vectors are no text, so no policy on answers sees
them. A client gets them in the encoding that it asked for, whatever the provider sent.
"""

import base64
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from policies.events import Attachment, End, Event, Text, Usage
from policies.steps import Steps
from policies.texts import Texts
from proxy.errors import AnswerTooLarge, GatewayError
from proxy.formats.base import Decoded, Meta
from proxy.formats.fields import UNREADABLE, obj
from proxy.formats.folding import Parts
from proxy.formats.jsontext import dumps, loads
from proxy.formats.openai_chat.encode import adopt
from proxy.formats.openai_chat.errors import fault, is_error
from proxy.formats.openai_chat.request_errors import wrong_type, wrong_value
from proxy.formats.openai_chat.usage import usage
from proxy.formats.openai_chat.validate import Check, check_fields, is_integer, is_string, named_model
from proxy.formats.operation import ClientRequest, Operation

MAX_INPUTS: Final = 2048
MAX_TOKENS: Final = 1_000_000
"""Token numbers in one input."""

FIELD: Final = "embedding"
"""The attachment that holds an answer's vectors."""

_IN_A_STEP: Final = 256
_FLOAT: Final = 4
"""Bytes of a number in a vector in base64: little-endian, single precision."""


# ---- the request
def read(body: dict[str, Any]) -> Steps[ClientRequest]:
    """Check a request's body. Raises `InvalidRequest` for the first thing that is wrong with it."""
    model = named_model(body, "input")
    yield from _check_input(body["input"])
    check_fields(body, _CHECKS)
    return ClientRequest(body, model, stream=False, include_usage=False, n=1, json_answer=False)


def inputs(value: Any) -> list[Any]:
    """The single inputs of a valid `input`: each a text or a list of token numbers."""
    if isinstance(value, str) or (value and isinstance(value[0], int)):
        return [value]
    return list(value)


def _check_input(value: Any) -> Steps[None]:
    if isinstance(value, str):
        _check_text("input", value)
        return
    if not isinstance(value, list):
        raise wrong_type("input", "a string, an array of strings, or arrays of token numbers", value)
    if not value:
        raise wrong_value("input", "empty array. Expected at least one text.", "empty_array")
    if isinstance(value[0], int):
        _check_tokens("input", value)
        return
    if len(value) > MAX_INPUTS:
        raise wrong_value("input", f"array too long. Expected at most {MAX_INPUTS} texts.", "array_above_max_length")
    check = _check_tokens if isinstance(value[0], list) else _check_text
    for index, item in enumerate(value):
        if index % _IN_A_STEP == _IN_A_STEP - 1:
            yield
        check(f"input[{index}]", item)


def _check_text(at: str, text: Any) -> None:
    is_string(at, text)
    if not text:
        raise wrong_value(at, "it is empty: send a text.")


def _check_tokens(at: str, tokens: Any) -> None:
    if not isinstance(tokens, list):
        raise wrong_type(at, "an array of token numbers", tokens)
    if not tokens:
        raise wrong_value(at, "empty array. Expected at least one token number.", "empty_array")
    if len(tokens) > MAX_TOKENS:
        raise wrong_value(at, f"array too long. Expected at most {MAX_TOKENS} numbers.", "array_above_max_length")
    wrong = next((token for token in tokens if type(token) is not int or token < 0), None)
    if wrong is not None:
        raise wrong_type(at, "an array of token numbers", wrong)


def _encoding(name: str, value: Any) -> None:
    is_string(name, value)
    if value not in ("float", "base64"):
        raise wrong_value(name, "it is neither 'float' nor 'base64'.")


def _unstreamed(name: str, value: Any) -> None:
    if value is not False:
        raise wrong_value(name, "embeddings are not streamed: leave it out.")


_CHECKS: Final[Mapping[str, Check]] = {
    "encoding_format": _encoding,
    "dimensions": is_integer(1),
    "user": is_string,
    "stream": _unstreamed,
}


# ---- the provider's answer
class EmbeddingsDecoder:
    """A `proxy.formats.base.Decoder` of a whole answer. There are no streamed ones."""

    def __init__(self, guarded: bool) -> None:
        self.meta = Meta()
        self._guarded = guarded

    def whole(self, body: bytes) -> Sequence[Decoded]:
        """The vectors in the order of the inputs, the counts, and the end."""
        try:
            answer = loads(body)
        except ValueError:
            return [UNREADABLE]
        if not isinstance(answer, dict):
            return [UNREADABLE]
        if is_error(answer):
            return [fault(answer)]
        found = vectors(answer.get("data"), FIELD)
        if found is None:
            return [UNREADABLE]
        model = answer.get("model")
        self.meta.model = model[:256] if isinstance(model, str) else None
        counts = usage(obj(answer.get("usage")), guarded=self._guarded)
        return [Attachment(0, FIELD, found), *([counts] if counts is not None else []), End("natural")]

    def decode(self, event: str | None, data: bytes) -> Sequence[Decoded]:
        """An event where none was asked for."""
        return [UNREADABLE]

    def more(self, like: Text, text: str, counts: dict[str, Any] | None) -> Sequence[Decoded]:
        """See `Decoder.more`. It never comes to that: an event ends the answer."""
        return ()

    def eof(self) -> Sequence[Decoded]:
        """See `Decoder.eof`."""
        return ()


def vectors(items: Any, member: str) -> list[Any] | None:
    """The vectors of a provider's list of objects, each in `member`; by their `index` where they have one. None when
    some object has none."""
    if not isinstance(items, list):
        return None
    found: list[tuple[int, Any]] = []
    for place, item in enumerate(items):
        vector = item.get(member) if isinstance(item, dict) else None
        if not _is_vector(vector):
            return None
        index = item.get("index")
        found.append((index if type(index) is int else place, vector))
    return [vector for _, vector in sorted(found, key=lambda one: one[0])]


def _is_vector(value: Any) -> bool:
    if isinstance(value, str):
        return _unpacked(value) is not None
    return isinstance(value, list) and bool(value) and all(type(number) in (float, int) for number in value)


def _unpacked(text: str) -> list[float] | None:
    try:
        data = base64.b64decode(text, validate=True)
        return list(struct.unpack(f"<{len(data) // _FLOAT}f", data)) if data else None
    except (ValueError, struct.error):
        return None


# ---- the client's answer
class EmbeddingsAccumulator:
    """The `list` object of an answer, of at most `most` bytes."""

    def __init__(self, model: str, request: ClientRequest, most: int) -> None:
        self._meta = Meta(model=model)
        self._packed = request.body.get("encoding_format") == "base64"
        self._asked = len(inputs(request.body["input"]))
        self._vectors: list[Any] = []
        self._most = most

    stopped_by: str | None = None

    def use(self, meta: Meta) -> None:
        """See `Accumulator.use`."""
        adopt(self._meta, meta)

    def add(self, events: Iterable[Event]) -> None:
        """See `Accumulator.add`."""
        for event in events:
            if isinstance(event, Attachment) and event.field == FIELD:
                self._vectors += event.value

    def result(self, usage: Usage | None) -> Parts:
        """See `Accumulator.result`."""
        if len(self._vectors) != self._asked:
            raise GatewayError(
                f"The answer has {len(self._vectors)} of {self._asked} embeddings: send the request again.",
                status=502,
                code="incomplete_answer",
            )
        data = [
            {"object": FIELD, "index": index, FIELD: self._encoded(vector)}
            for index, vector in enumerate(self._vectors)
        ]
        answer = {"object": "list", "data": data, "model": self._meta.model, "usage": _usage(usage)}
        text = dumps(answer)
        if len(text) > self._most:
            raise AnswerTooLarge
        return [text]

    def _encoded(self, vector: Any) -> Any:
        if isinstance(vector, str):
            return vector if self._packed else _unpacked(vector)
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if self._packed else vector


def _usage(counts: Usage | None) -> dict[str, Any]:
    if counts is None:
        return {"prompt_tokens": 0, "total_tokens": 0}
    told = {name: value for name, value in (counts.details or {}).items() if name == "x_sluice"}
    return {**told, "prompt_tokens": counts.prompt, "total_tokens": counts.prompt}


def _accumulator(id: str, created: int, model: str, request: ClientRequest, most: int) -> EmbeddingsAccumulator:
    return EmbeddingsAccumulator(model, request, most)


EMBEDDINGS: Final = Operation(
    name="embeddings",
    title="embeddings",
    path="/embeddings",
    id_prefix="embd-",
    read=read,
    texts=Texts(plain=("input",)),
    accumulate=_accumulator,
    answers_text=False,
)
