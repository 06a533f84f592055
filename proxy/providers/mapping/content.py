"""The content parts of messages: which kinds a provider takes, and where their media may come from.

Rule: nothing that LiteLLM would fetch, and nothing that it would drop without a word, gets past here. Media go up as
`data:` URLs; a URL goes up only where the provider itself fetches it (Anthropic: https; Gemini: its Files API and
`gs://`), else the request is refused. LiteLLM finds schemes anywhere in a string ("http://" in the middle of base64
included), so `://` in data is refused as well.

Decisions: a `refusal` part of the history is text to every provider. A `file` part that holds an image is an image; one
that holds text is a text document for Anthropic. Audio goes to Gemini alone.
"""

import base64
import binascii
import os.path
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from proxy.errors import InvalidRequest

Part: TypeAlias = dict[str, Any]

_MAX_MEDIA_TYPE = 256
_BASE64 = ";base64,"
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
"""Media types that providers refuse, and the registered names of the same."""

_GEMINI_FILES = "https://generativelanguage.googleapis.com/v1beta/files/"


def fault(where: str, problem: str) -> InvalidRequest:
    """The refusal of one place of the request; `problem` goes on from its name and says what to do."""
    return InvalidRequest(f"{where} {problem}", param=where)


def copied(value: Any) -> Any:
    """A copy whose objects and arrays may be changed. LiteLLM changes what it is given."""
    if isinstance(value, Mapping):
        return {name: copied(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Rules:
    """What one provider takes. `remote` says whether it fetches a URL itself, given the media type that the client
    told; `result` and `user` are the kinds of part in tool results and in users' messages."""

    provider: str
    user: frozenset[str]
    result: frozenset[str]
    remote: Callable[[str, Any], bool]
    remote_results: bool
    sources: str


def _anthropic_fetches(url: str, media_type: Any) -> bool:
    return url.startswith("https://")


def _gemini_fetches(url: str, media_type: Any) -> bool:
    if url.count("://") != 1:
        return False
    if url.startswith("gs://"):
        return bool(media_type) or len(os.path.splitext(url)[1]) > 1
    return url.startswith(_GEMINI_FILES)


ANTHROPIC = Rules(
    "Anthropic",
    user=frozenset({"text", "refusal", "image_url", "file", "document"}),
    result=frozenset({"text", "image_url", "file", "tool_reference"}),
    remote=_anthropic_fetches,
    remote_results=True,
    sources="a data: or an https: URL",
)
GEMINI = Rules(
    "Gemini",
    user=frozenset({"text", "refusal", "image_url", "file", "input_audio"}),
    result=frozenset({"text", "image_url", "file"}),
    remote=_gemini_fetches,
    remote_results=False,
    sources="a data: URL (or the URI of a file uploaded to Gemini)",
)


def text_of(content: Any, where: str) -> str:
    """The text of a message that may hold nothing else. Raises `InvalidRequest`."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(_text(part, f"{where}[{i}]")["text"] for i, part in enumerate(listed(content, where)))


def user_parts(content: Any, where: str, rules: Rules) -> str | list[Part]:
    """The content of a user's message, ready for LiteLLM. Raises `InvalidRequest`."""
    if isinstance(content, str):
        return content
    return [_part(part, f"{where}[{i}]", rules, rules.user, True) for i, part in enumerate(listed(content, where))]


def result_parts(content: Any, where: str, rules: Rules) -> str | list[Part]:
    """The content of a tool's result, ready for LiteLLM. Raises `InvalidRequest`."""
    if content is None or isinstance(content, str):
        return content or ""
    remote = rules.remote_results
    return [_part(part, f"{where}[{i}]", rules, rules.result, remote) for i, part in enumerate(listed(content, where))]


def image(value: Any, where: str, rules: Rules, remote: bool = True) -> Part:
    """The value of an `image_url` member as {"url", …}, its URL one that nobody but the provider fetches."""
    picture: Part = {"url": value} if isinstance(value, str) else copied(value) if isinstance(value, Mapping) else {}
    _check_source(picture.get("url"), picture.get("format"), f"{where}.url", rules, remote)
    picture["url"] = _registered(picture["url"])
    if not isinstance(kind := picture.get("format"), str | None):
        raise fault(f"{where}.format", "must be a media type such as image/png: send that, or leave it out.")
    if kind in _ALIASES:
        picture["format"] = _ALIASES[kind]
    return picture


def listed(content: Any, where: str) -> Sequence[Any]:
    """`content` if it is a list. Raises `InvalidRequest`."""
    if not isinstance(content, list | tuple):
        raise fault(where, "must be a string or a list of content parts.")
    return content


def kind_of(value: Any) -> str | None:
    """The `type` of a part, tool or choice."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    return kind if isinstance(kind, str) else None


def _part(part: Any, where: str, rules: Rules, kinds: frozenset[str], remote: bool) -> Part:
    kind = kind_of(part)
    if kind not in kinds:
        named = f"of type {kind!r} " if kind else "without a type "
        raise fault(where, f"{named}cannot be sent to {rules.provider}: use one of {', '.join(sorted(kinds))}.")
    match kind:
        case "text" | "refusal":
            return _text(part, where)
        case "image_url":
            return {**copied(part), "image_url": image(part.get("image_url"), f"{where}.image_url", rules, remote)}
        case "file":
            return _file(part, where, rules, kinds)
        case "input_audio":
            return _audio(part, where)
        case "document":
            return _document(part, where, rules)
        case _:
            return _copy(part)


def _copy(part: Mapping[str, Any]) -> Part:
    copy: Part = copied(part)
    return copy


def _text(part: Any, where: str) -> Part:
    kind = kind_of(part)
    if kind not in ("text", "refusal") or not isinstance(part.get(kind), str):
        raise fault(where, 'must be a text part: {"type": "text", "text": "…"}.')
    cached = {"cache_control": copied(part["cache_control"])} if part.get("cache_control") else {}
    return {"type": "text", "text": part[kind], **cached}


def _check_source(url: Any, media_type: Any, where: str, rules: Rules, remote: bool) -> None:
    if not isinstance(url, str) or not url:
        raise fault(where, f"is missing: send {rules.sources}.")
    if url.startswith("data:"):
        _media_type(url, where)
    elif not remote:
        raise fault(where, f"must be a data: URL: {rules.provider} takes no other in a tool's result.")
    elif not rules.remote(url, media_type):
        raise fault(where, f"is a URL that cannot be sent to {rules.provider}: send {rules.sources}.")


def _registered(url: str) -> str:
    """A URL; a `data:` URL with the registered name of its media type and nothing beside it, and without the line
    breaks that some encoders put into base64."""
    marker = url.find(_BASE64, 0, _MAX_MEDIA_TYPE + 16) if url.startswith("data:") else -1
    if marker < 0:
        return url
    named = url[5:marker].partition(";")[0].lower()
    kind = _ALIASES.get(named, named)
    broken = any(space in url for space in "\n\r ")
    if url.startswith(f"{kind}{_BASE64}", 5) and not broken:
        return url
    data = url[marker + len(_BASE64) :]
    return f"data:{kind}{_BASE64}{''.join(data.split()) if broken else data}"


def _media_type(url: str, where: str) -> str:
    """The media type of a `data:` URL in base64; only its beginning is looked at, the rest may be megabytes."""
    head, marker, _ = url[: _MAX_MEDIA_TYPE + 16].partition(";base64,")
    if not marker or "/" not in head or len(url) == len(head) + len(marker) or _misleads(url):
        raise fault(where, "is not a data: URL in base64: send data:<media type>;base64,<data>.")
    return head.removeprefix("data:").partition(";")[0].lower()


def _misleads(url: str) -> bool:
    """Whether LiteLLM would find a scheme within the data, or cut the URL in many pieces."""
    return "://" in url or url.count("data:") > 1 or url.count(";base64,") > 1


def _file(part: Mapping[str, Any], where: str, rules: Rules, kinds: frozenset[str]) -> Part:
    file = part.get("file")
    if not isinstance(file, Mapping):
        raise fault(f"{where}.file", "is missing: send an object with `file_data`.")
    copy = _copy(part)
    if file.get("file_data") is not None:
        copy["file"].pop("file_id", None)
        return _file_data(copy, f"{where}.file.file_data", rules, kinds)
    id = file.get("file_id")
    remote = kinds is rules.user or rules.remote_results
    if not isinstance(id, str) or not id or not remote:
        raise fault(f"{where}.file", "holds no `file_data`: send the file there, as a data: URL.")
    if rules is GEMINI or "://" in id:
        _check_source(id, file.get("format"), f"{where}.file.file_id", rules, remote)
    return copy


def _file_data(part: Part, where: str, rules: Rules, kinds: frozenset[str]) -> Part:
    data = part["file"]["file_data"]
    if not isinstance(data, str):
        raise fault(where, "must be a string: a data: URL in base64.")
    media_type = _media_type(data, where)
    if media_type.startswith("image/"):
        return _like(part, {"type": "image_url", "image_url": {"url": _registered(data)}})
    if rules is not ANTHROPIC or media_type == "application/pdf":
        return part
    if not media_type.startswith("text/"):
        raise fault(where, f"is {media_type!r}, and Anthropic takes PDF, text and images: send one of those.")
    text = _decoded(data, where)
    return _like(part, _document_of(text, part["file"]) if "document" in kinds else {"type": "text", "text": text})


def _like(original: Part, part: Part) -> Part:
    return {**part, "cache_control": original["cache_control"]} if original.get("cache_control") else part


def _decoded(data: str, where: str) -> str:
    try:
        return base64.b64decode(data.partition(";base64,")[2], validate=True).decode()
    except (binascii.Error, ValueError):
        raise fault(where, "is not text in UTF-8 and base64: check how it was encoded.") from None


def _document_of(text: str, file: Mapping[str, Any]) -> Part:
    title = file.get("filename")
    named = {"title": title} if isinstance(title, str) and title else {}
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **named}


def _audio(part: Mapping[str, Any], where: str) -> Part:
    audio = part.get("input_audio")
    data, kind = (audio.get("data"), audio.get("format")) if isinstance(audio, Mapping) else (None, None)
    if not isinstance(data, str) or not isinstance(kind, str) or not data or not kind:
        raise fault(f"{where}.input_audio", 'must be an object such as {"data": "<base64>", "format": "wav"}.')
    if "://" in data or "://" in kind:
        raise fault(f"{where}.input_audio.data", "must be the audio in base64, not a URL.")
    return _copy(part)


def _document(part: Mapping[str, Any], where: str, rules: Rules) -> Part:
    source = part.get("source")
    if not isinstance(source, Mapping):
        raise fault(f"{where}.source", "is missing: see Anthropic's document blocks.")
    if source.get("type") == "url":
        _check_source(source.get("url"), None, f"{where}.source.url", rules, True)
    return _copy(part)
