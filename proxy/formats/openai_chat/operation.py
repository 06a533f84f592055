"""Chat completions, as data."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.texts import CONVERSATION
from proxy.formats.openai_chat.completion import CompletionAccumulator
from proxy.formats.openai_chat.encode import ChunkEncoder
from proxy.formats.openai_chat.validate import validate
from proxy.formats.operation import ClientRequest, Operation

_PARTS: Final[Mapping[str, str]] = {"image_url": "images", "input_audio": "audio", "file": "files"}


def _abilities(body: Mapping[str, Any]) -> Iterator[str]:
    for message in body["messages"]:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            if ability := _PARTS.get(part.get("type")):
                yield ability
    if body.get("tools") or body.get("functions"):
        yield "tools"
    if (body.get("response_format") or {}).get("type") == "json_schema":
        yield "json_schema"


def _encoder(id: str, created: int, model: str, request: ClientRequest) -> ChunkEncoder:
    return ChunkEncoder(id, created, model, include_usage=request.include_usage)


def _accumulator(id: str, created: int, model: str, request: ClientRequest, most: int) -> CompletionAccumulator:
    return CompletionAccumulator(id, created, model, most)


CHAT: Final = Operation(
    name="chat",
    title="chat completions",
    path="/chat/completions",
    id_prefix="chatcmpl-",
    read=validate,
    texts=CONVERSATION,
    accumulate=_accumulator,
    encode=_encoder,
    abilities=_abilities,
)
