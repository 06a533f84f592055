"""What goes to a provider: one HTTP request, made by pure functions from a call.

Rule: the provider's key is in `headers` and nowhere else, and what is not ours to send (a client's credentials,
framing) never gets in. Nothing here is shown in a repr.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yarl import URL

from policies.work import OverBudget
from proxy.errors import GatewayError
from proxy.formats.gemini.decode import SIGNATURE_MARK
from proxy.formats.jsontext import dumps
from proxy.providers.base import Call
from proxy.providers.mapping.weighing import weighed

_NEVER_UP = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "host", "connection", "content-length"}
    | {"transfer-encoding", "accept-encoding", "content-encoding", "content-type", "accept", "proxy-authorization"}
)


MAX_GROWTH: Final = 2
"""A mapped body may have so many times the bytes of the client's."""

MAX_ADDED_BYTES: Final = 16 * 2**20
"""And so many beyond: what schemas may grow by, twice."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a provider, and what the codec must know to read its answer.

    `stream`: the provider was asked for events, else for one JSON body. `json_tool`: the schema of the answer was sent
    as a tool, whose arguments are the answer. `tool_names`: the provider's names of tools to the client's, where they
    differ. `one_call`: the client wants no parallel calls, and the provider could not be told. `url` is encoded where
    it is not yet; a `URL` goes as it is.
    """

    url: str | URL
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    stream: bool
    json_tool: bool = False
    tool_names: Mapping[str, str] = field(default_factory=dict)
    one_call: bool = False
    method: str = "POST"


def encoded(body: Mapping[str, Any], call: Call) -> bytes:
    """A mapped body as JSON text. Raises `OverBudget` when the mapping has made far more of the request than it was."""
    most = MAX_GROWTH * call.size + MAX_ADDED_BYTES
    if weighed(body, most)[1] > most:
        raise OverBudget("messages")
    return dumps(body)


def without_signatures(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body without the signatures that a Gemini answer's calls have in their ids. They are for Gemini alone; OpenAI
    takes no id of more than 40 characters."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not any(map(_is_signed, messages)):
        return body
    return {**body, "messages": [_unsigned(message) if _is_signed(message) else message for message in messages]}


def _is_signed(message: Any) -> bool:
    if not isinstance(message, Mapping):
        return False
    calls = message.get("tool_calls")
    ids = [call.get("id") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    return any(isinstance(id, str) and SIGNATURE_MARK in id for id in (message.get("tool_call_id"), *ids))


def _unsigned(message: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(message)
    if isinstance(made.get("tool_call_id"), str):
        made["tool_call_id"] = made["tool_call_id"].partition(SIGNATURE_MARK)[0]
    if isinstance(calls := made.get("tool_calls"), list):
        made["tool_calls"] = [
            {**call, "id": call["id"].partition(SIGNATURE_MARK)[0]}
            if isinstance(call, Mapping) and isinstance(call.get("id"), str)
            else call
            for call in calls
        ]
    return made


def streams(call: Call) -> bool:
    """Whether the provider is asked to stream: always, but where a whole answer is wanted and is to
    be native, or where the operation has no streams."""
    return call.operation.encode is not None and (call.stream or call.settings.whole != "native")


def endpoint(call: Call, path: str) -> str:
    """The URL of `path` (with its leading slash) at the call's provider."""
    base = call.provider.base_url
    if not base:
        raise GatewayError(f"The provider {call.provider_name!r} has no base_url: set it in the configuration.")
    return base.rstrip("/") + path


def headers(call: Call, **credentials: str) -> dict[str, str]:
    """The client's allow-listed headers, ours over them, and the `credentials` given (names with `_` for `-`)."""
    named = {name.replace("_", "-"): value for name, value in credentials.items()}
    return {**client_headers(call), **format_headers(call), **named}


def format_headers(call: Call) -> dict[str, str]:
    """The headers that say what goes up and what is to come back."""
    return {
        "content-type": "application/json",
        "accept": "text/event-stream" if streams(call) else "application/json",
        "accept-encoding": "identity",
    }


def client_headers(call: Call) -> dict[str, str]:
    """The client's allow-listed headers, in lower case, without any that would be a credential or framing."""
    lowered = {name.lower(): value for name, value in call.headers.items()}
    return {name: value for name, value in lowered.items() if name not in _NEVER_UP}


def key(call: Call) -> str | None:
    """The provider's key in clear."""
    secret = call.provider.api_key
    return secret.get_secret_value() if secret is not None else None
