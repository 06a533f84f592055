"""The request for Gemini's generateContent: LiteLLM's mapping, and what it would leave out in silence.

Decisions:
- A model that LiteLLM does not know is mapped as one of its kind that it does: under its own name the system prompt and
  the JSON schema would become prose in the user's message.
- LiteLLM leaves out penalties for models that lack them, and search tools beside function tools: here that is refused,
  or dropped with `drop_params`.
- Gemini cannot be told `parallel_tool_calls: false`: of several calls in an answer the client gets the first.
- The schemas of functions do not go through LiteLLM, which leaves much of them out: see `gemini_schema`.
- `reasoning_effort` and `thinking` ask for the thoughts as well.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.formats.gemini.schema import NotExact
from proxy.formats.gemini.schema import parameters as subset
from proxy.providers import litellm
from proxy.providers.base import Call
from proxy.providers.mapping.content import GEMINI, copied, kind_of
from proxy.providers.mapping.messages import prepared
from proxy.providers.mapping.parameters import Dialect, chosen, lacks
from proxy.providers.mapping.schemas import Schemas
from proxy.providers.mapping.tickets import Tickets
from proxy.providers.mapping.tools import prepared_tools
from proxy.providers.mapping.verify import Counted, SchemaTickets, check_conversation
from proxy.providers.outbound import HttpRequest, encoded, endpoint, headers, key, streams

_DIALECT = Dialect(
    "Gemini",
    native=frozenset(
        {"top_k", "topK", "safety_settings", "safetySettings", "cached_content", "cachedContent", "thinkingConfig"}
        | {"thinking_config", "mediaResolution", "media_resolution", "speechConfig", "imageConfig", "image_config"}
    ),
)
_LITELLM_SPELLING = {"safetySettings": "safety_settings", "cachedContent": "cached_content"}
_OURS = frozenset({"parallel_tool_calls"})
"""Parameters that the decoder of the answer heeds."""
_SEARCHES = frozenset(
    {"googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval", "urlContext", "url_context"}
    | {"enterpriseWebSearch", "enterprise_web_search"}
)
_OTHER_TOOLS = frozenset(
    {"codeExecution", "code_execution", "googleMaps", "google_maps", "computerUse", "computer_use"}
)
_PENALTIES = ("frequency_penalty", "presence_penalty")
_OLDER = ("gemini-1", "gemini-2")
_NEWER_STAND_IN = "gemini-3.1-pro-preview"
_STAND_IN = "gemini-2.5-flash"


def gemini_request(call: Call) -> HttpRequest:
    """The call as POST {base_url}/v1beta/models/{model}:streamGenerateContent. Raises `InvalidRequest`."""
    method = "streamGenerateContent?alt=sse" if streams(call) else "generateContent"
    return gemini_post(call, method, _body(call))


def gemini_post(call: Call, method: str, body: Mapping[str, Any]) -> HttpRequest:
    """A body as POST {base_url}/v1beta/models/{model}:{method}."""
    secret = key(call)
    credentials = {"x_goog_api_key": secret} if secret else {}
    return HttpRequest(
        url=endpoint(call, f"/v1beta/models/{urllib.parse.quote(call.model, safe='')}:{method}"),
        headers=headers(call, **credentials),
        body=encoded(body, call),
        stream=streams(call),
        one_call=call.body.get("parallel_tool_calls") is False,
    )


def _body(call: Call) -> dict[str, Any]:
    model = _stand_in(call.model)
    parameters = chosen(call, _DIALECT, litellm.supported("gemini", model) | _OURS)
    for name in _OURS:
        parameters.mapped.pop(name, None)
    tools = GeminiTools(Schemas(call.work), model)
    ready = prepared_tools(parameters.mapped, tools)
    native = {_LITELLM_SPELLING.get(name, name): value for name, value in parameters.native.items()}
    tickets = Tickets()
    messages = prepared(call.body.get("messages"), GEMINI, tickets, call.work)
    body = litellm.map_gemini(litellm.Asked(model, messages, ready, native, call.settings.drop_params))
    _give_back(body, tickets)
    declared = (function for tool in body.get("tools") or () for function in tool.get("function_declarations") or ())
    tools.tickets.give_back(declared, "parameters")
    check_conversation(messages, _counted(body))
    _check_effect(call, ready, body)
    return body


def _give_back(body: Mapping[str, Any], tickets: Tickets) -> None:
    """The arguments of calls and the results of tools, for the tickets that went through the mapping."""
    for part in (part for content in body["contents"] for part in content["parts"]):
        if isinstance(called := part.get("function_call"), dict):
            called["args"] = tickets.exchanged(called.get("args"))
        if isinstance(told := part.get("function_response"), dict):
            told["response"] = tickets.exchanged(told.get("response"))


def _counted(body: Mapping[str, Any]) -> Counted:
    """What the mapping has made of the conversation."""
    counted = Counted()
    for part in (part for content in body["contents"] for part in content["parts"]):
        counted.calls += "function_call" in part
        counted.results += "function_response" in part
        counted.media += "inline_data" in part or "file_data" in part
    return counted


def _stand_in(model: str) -> str:
    if litellm.knows("gemini", model) or model.startswith("gemma"):
        return model
    newer = model.startswith("gemini-") and not model.startswith(_OLDER)
    return _NEWER_STAND_IN if newer else _STAND_IN


@dataclass(frozen=True, slots=True)
class GeminiTools:
    """What Gemini makes of tools and schemas; see `proxy.providers.mapping.tools.Provider`."""

    schemas: Schemas
    model: str
    tickets: SchemaTickets = field(default_factory=SchemaTickets)

    def is_native(self, tool: Mapping[str, Any]) -> bool:
        """Whether the tool runs at Google: {"googleSearch": {}} and its like, or OpenAI's web search."""
        if kind_of(tool) in ("web_search", "web_search_preview", "computer_use"):
            return True
        names = [name for name in tool if name != "type"]
        return len(names) == 1 and names[0] in _SEARCHES | _OTHER_TOOLS

    def parameters(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """A ticket for the schema, which LiteLLM would leave much out of."""
        inlined = self.schemas.inlined(schema, where)
        try:
            if self.schemas.recursive:
                raise NotExact
            return self.tickets.ticket({"parameters": subset(inlined)})
        except NotExact:
            return self.tickets.ticket({"parametersJsonSchema": copied(schema)})

    def answer(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Newer models follow the references in the schema of an answer."""
        if litellm.inlines("gemini", self.model):
            return self.schemas.for_gemini(schema, where)
        return dict(copied(schema))


def _check_effect(call: Call, parameters: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Refuse what the mapping has left out."""
    config = body.get("generationConfig") or {}
    for name in _PENALTIES:
        if name in parameters and name not in config:
            lacks(call, "Gemini", name)
    if any(_SEARCHES & tool.keys() for tool in body.get("tools") or ()):
        return
    if "web_search_options" in parameters:
        lacks(call, "Gemini", "web_search_options")
    if any(_searches(tool) for tool in parameters.get("tools", ())):
        lacks(call, "Gemini", "tools")


def _searches(tool: Mapping[str, Any]) -> bool:
    return bool(_SEARCHES & tool.keys()) or (kind_of(tool) or "").startswith("web_search")
