"""POST /v1/completions, OpenAI's legacy text completions: the request's checks, and the answer for the client.

Rule: an answer's text is content like a chat's, so every policy acts on it. Reasoning and tool calls have no place in
this format and are left out. A refusal is text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from policies.events import Event, Finish, Opaque, Text
from policies.steps import Steps
from policies.texts import Texts
from proxy.errors import InvalidRequest
from proxy.formats.folding import Parts, written
from proxy.formats.jsontext import dumps
from proxy.formats.openai_chat.completion import Choice, CompletionAccumulator
from proxy.formats.openai_chat.encode import ChunkEncoder, sse
from proxy.formats.openai_chat.request_errors import wrong_type, wrong_value
from proxy.formats.openai_chat.validate import (
    MAX_CHOICES,
    SAMPLING,
    Check,
    check_fields,
    is_boolean,
    is_integer,
    is_stream_options,
    is_string,
    named_model,
    stream_and_usage,
)
from proxy.formats.operation import ClientRequest, Operation

USUAL_LIMIT: Final = 16
"""Tokens of an answer whose request gives no `max_tokens`, by OpenAI's reference."""

_SHOWN: Final = ("content", "refusal")
"""The channels that are text here."""


# ---- the request
def read(body: dict[str, Any]) -> Steps[ClientRequest]:
    """Check a request's body. Raises `InvalidRequest` for the first thing that is wrong with it."""
    yield
    model = named_model(body, "prompt")
    prompts = _prompts(body["prompt"])
    check_fields(body, _CHECKS)
    choices, best = body.get("n") or 1, body.get("best_of") or 1
    if prompts * choices > MAX_CHOICES:
        raise wrong_value("prompt", f"{prompts} prompts with n {choices} are over {MAX_CHOICES} answers: send fewer.")
    if best > choices:
        raise wrong_value("best_of", "caps cannot watch answers that are not sent: leave it out.", "unsupported_value")
    stream, usage = stream_and_usage(body)
    return ClientRequest(body, model, stream, usage, prompts * choices, json_answer=False)


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request for a target that only chats: the prompt as one message of the user. Raises `InvalidRequest` for
    what a chat cannot do."""
    prompt = body["prompt"]
    prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
    if not isinstance(prompt, str):
        text = "The target of this model chats only, so it takes one prompt, as text: send one, or use another model."
        raise InvalidRequest(text, param="prompt", code="unsupported_value")
    lacking = next((name for name in ("suffix", "echo", "logprobs") if body.get(name)), None)
    if lacking is not None:
        text = f"The target of this model chats only and has no {lacking!r}: leave it out, or use another model."
        raise InvalidRequest(text, param=lacking, code="unsupported_parameter")
    rest = {name: value for name, value in body.items() if name not in _COMPLETIONS_ONLY}
    return {**rest, "messages": [{"role": "user", "content": prompt}]}


def _prompts(value: Any) -> int:
    """How many prompts there are."""
    if isinstance(value, str):
        return 1
    if not isinstance(value, list):
        raise wrong_type("prompt", "a string, an array of strings, or arrays of token numbers", value)
    if not value:
        raise wrong_value("prompt", "empty array. Expected at least one prompt.", "empty_array")
    if all(type(token) is int for token in value):
        return 1
    for index, prompt in enumerate(value):
        if not isinstance(prompt, str) and not (
            isinstance(prompt, list) and prompt and all(type(token) is int for token in prompt)
        ):
            raise wrong_type(f"prompt[{index}]", "a string or an array of token numbers", prompt)
    return len(value)


_COMPLETIONS_ONLY: Final = frozenset({"prompt", "suffix", "echo", "logprobs", "best_of"})

_CHECKS: Final[Mapping[str, Check]] = {
    "stream": is_boolean,
    "stream_options": is_stream_options,
    "n": is_integer(1, MAX_CHOICES),
    "best_of": is_integer(1, MAX_CHOICES),
    "max_tokens": is_integer(),
    **SAMPLING,
    "echo": is_boolean,
    "suffix": is_string,
    "logprobs": is_integer(0, 20),
}


# ---- the client's answer
def _text_of(members: Mapping[str, Any]) -> str:
    return "".join(members.get(name) or "" for name in _SHOWN)


class TextChunkEncoder(ChunkEncoder):
    """The chunks of one client stream."""

    kind = "text_completion"

    def encode(self, events: Sequence[Event]) -> bytes:
        """See `ChunkEncoder.encode`."""
        shown = [event for event in events if _is_shown(event)]
        return super().encode(shown) if shown else b""

    def _affix(self, choice: int, channel: str) -> tuple[bytes, bytes]:
        top = dumps(self._top).removesuffix(b"}")
        usage = b',"usage":null' if self._include_usage else b""
        return (
            b'data: %b,"choices":[{"text":' % top,
            b',"index":%d,"logprobs":null,"finish_reason":null}]%b}\n\n' % (choice, usage),
        )

    def _chunk(self, choice: int, delta: Mapping[str, Any], reason: str | None = None, by: str | None = None) -> bytes:
        self._take(choice, "delta")
        around = self._take(choice, "choice")
        logprobs = around.pop("logprobs", None)
        entry = {"text": _text_of(delta), "index": choice, "logprobs": logprobs, **around, "finish_reason": reason}
        chunk = {**self._top, **self._take(None, "chunk"), "choices": [entry]}
        if self._include_usage:
            chunk["usage"] = None
        if by is not None:
            chunk["x_sluice"] = {"stopped_by": by}
        return sse(chunk)


class TextAccumulator(CompletionAccumulator):
    """The `text_completion` object of a whole answer."""

    kind = "text_completion"

    def add(self, events: Iterable[Event]) -> None:
        """See `CompletionAccumulator.add`."""
        super().add(event for event in events if _is_shown(event))

    def entry(self, index: int, choice: Choice) -> Parts:
        """See `CompletionAccumulator.entry`."""
        text: Parts = [b'"', *(choice.texts[name] for name in _SHOWN if name in choice.texts), b'"']
        entry: dict[str, Parts] = {"text": text, "index": [dumps(index)], "logprobs": [b"null"]}
        entry |= choice.members.members()
        entry["finish_reason"] = [dumps(choice.reason)]
        return written(entry)


def _is_shown(event: Event) -> bool:
    return (isinstance(event, Text) and event.channel in _SHOWN) or isinstance(event, Finish | Opaque)


def _encoder(id: str, created: int, model: str, request: ClientRequest) -> TextChunkEncoder:
    return TextChunkEncoder(id, created, model, include_usage=request.include_usage)


def _accumulator(id: str, created: int, model: str, request: ClientRequest, most: int) -> TextAccumulator:
    return TextAccumulator(id, created, model, most)


COMPLETIONS: Final = Operation(
    name="text_completion",
    title="text completions",
    path="/completions",
    id_prefix="cmpl-",
    read=read,
    texts=Texts(plain=("prompt", "suffix"), continued="prompt", echo="echo"),
    accumulate=_accumulator,
    encode=_encoder,
    limit="max_tokens",
    usual_limit=USUAL_LIMIT,
)
