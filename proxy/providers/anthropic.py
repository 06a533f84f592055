"""The request for Anthropic's messages API: LiteLLM's mapping, and what the API asks for beyond it.

Decisions:
- The answer's limit (`max_tokens`) is raised by a thinking budget that it does not cover: the API refuses it otherwise.
  Where the client gave no limit, the model's own holds, with thinking as without.
- Thinking is left out for a turn whose last assistant message calls tools without its thinking blocks (most OpenAI
  clients drop them, and so does a redaction): the API refuses that turn otherwise. (Adaptive thinking does not mind.)
- JSON mode (`response_format: json_object`), which Claude lacks, becomes an instruction at the end of the system
  prompt.
- A JSON schema, where the model has no other way, is a tool whose arguments are the answer. If the client has tools of
  its own, Claude may choose among all of them.
- Without tools, but with calls in the history, LiteLLM adds a tool that must never be called: `tool_choice` none.
- Models that LiteLLM does not know are taken to be able to think: the API is the judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.limits import client_limit
from proxy.accounting.pricing.models import entry
from proxy.providers import litellm
from proxy.providers.base import Call
from proxy.providers.mapping.content import ANTHROPIC, copied, fault, kind_of
from proxy.providers.mapping.messages import prepared
from proxy.providers.mapping.parameters import Dialect, chosen
from proxy.providers.mapping.schemas import Schemas
from proxy.providers.mapping.tickets import Tickets
from proxy.providers.mapping.tools import prepared_tools
from proxy.providers.mapping.verify import Counted, SchemaTickets, check_conversation
from proxy.providers.outbound import HttpRequest, client_headers, encoded, endpoint, format_headers, key, streams

_DIALECT = Dialect(
    "Anthropic",
    native=frozenset(
        {"top_k", "thinking", "cache_control", "container", "context_management", "mcp_servers", "output_config"}
        | {"inference_geo", "service_tier", "speed"}
    ),
    as_it_is={"reasoning_effort": ("none",)},
)
_REASONING = frozenset({"reasoning_effort", "thinking"})
_JSON_MODE = "Answer with a single valid JSON object and nothing else: no prose, no code fence."
_FOLDABLE = frozenset({"type", "properties", "required", "title", "description", "additionalProperties"})
_MEDIA = frozenset({"image", "document", "container_upload"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def anthropic_request(call: Call) -> HttpRequest:
    """The call as POST {base_url}/v1/messages. Raises `InvalidRequest`."""
    model = call.model
    known = litellm.supported("anthropic", model)
    parameters = chosen(call, _DIALECT, known if litellm.knows("anthropic", model) else known | _REASONING)
    tools = AnthropicTools(Schemas(call.work), model)
    ready = prepared_tools(parameters.mapped, tools)
    tickets = Tickets()
    messages = prepared(call.body.get("messages"), ANTHROPIC, tickets, call.work)
    asked = litellm.Asked(model, messages, _schema_first(ready), parameters.native, call.settings.drop_params)
    mapping = litellm.map_anthropic(asked, client_headers(call), key(call))
    body = mapping.body
    _give_back(body, tickets)
    tools.tickets.give_back(body.get("tools") or (), "input_schema")
    check_conversation(messages, _counted(body))
    json_tool = _json_answer(body, ready)
    if not ready.get("tools"):
        _forbid_dummy(body)
    _make_room_for_thinking(body, call)
    _drop_lone_thinking(body)
    body["stream"] = streams(call)
    return HttpRequest(
        url=endpoint(call, "/v1/messages"),
        headers={**mapping.headers, **format_headers(call)},
        body=encoded(body, call),
        stream=streams(call),
        json_tool=json_tool,
        tool_names=mapping.tool_names,
    )


@dataclass(frozen=True, slots=True)
class AnthropicTools:
    """What Anthropic makes of tools and schemas; see `proxy.providers.mapping.tools.Provider`."""

    schemas: Schemas
    model: str
    tickets: SchemaTickets = field(default_factory=SchemaTickets)

    def is_native(self, tool: Mapping[str, Any]) -> bool:
        """Whether the tool is in Anthropic's own format, or one that runs at Anthropic (their types end in a date)."""
        kind = tool.get("type")
        return "input_schema" in tool or (isinstance(kind, str) and (kind in ("mcp", "url") or kind[-8:].isdigit()))

    def parameters(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """A ticket for the schema. References stay where Anthropic follows them itself: those to `$defs`."""
        components = schema.get("components")
        further = components.get("schemas") if isinstance(components, Mapping) else None
        if not isinstance(further, Mapping) and not isinstance(schema.get("definitions"), Mapping):
            made = dict(copied(schema))
        else:
            rest = {name: value for name, value in schema.items() if name != "components"}
            made = self.schemas.inlined(rest, where, further if isinstance(further, Mapping) else None)
        return self.tickets.ticket({"input_schema": folded(made, where)})

    def answer(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Anthropic takes no references in the schema of an answer; in that of a tool it does."""
        if not litellm.inlines("anthropic", self.model):
            return dict(copied(schema))
        made = self.schemas.inlined(schema, where)
        if self.schemas.recursive:
            raise fault(where, "refers to itself, which Anthropic does not take: unroll the recursion.")
        return made


def folded(schema: dict[str, Any], where: str) -> dict[str, Any]:
    """A function's schema without alternatives at its root, where Anthropic takes none. The members of all branches
    become members of the one object; required are those that each branch requires. Raises `InvalidRequest` for branches
    that are no objects."""
    schema.setdefault("type", "object")
    for name in ("allOf", "anyOf", "oneOf"):
        branches = schema.pop(name, None)
        if branches is None:
            continue
        if not isinstance(branches, list) or not all(_is_object(branch) for branch in branches):
            problem = f"has {name} at its root with branches that are no objects, which Anthropic does not take: "
            raise fault(where, f"{problem}put the alternatives into a property.")
        for branch in branches:
            for each, value in (branch.get("properties") or {}).items():
                known = schema.setdefault("properties", {}).get(each, value)
                schema["properties"][each] = value if known == value else {"anyOf": [known, value]}
        wanted = [set(branch.get("required") or ()) for branch in branches]
        common = set.union(*wanted) if name == "allOf" else set.intersection(*wanted)
        if common:
            schema["required"] = sorted({*schema.get("required", ()), *common})
    return schema


def _is_object(branch: Any) -> bool:
    if not isinstance(branch, Mapping) or branch.get("type", "object") != "object":
        return False
    if not branch.keys() <= _FOLDABLE or not isinstance(branch.get("properties", {}), Mapping):
        return False
    required = branch.get("required", [])
    return isinstance(required, list) and all(isinstance(name, str) for name in required)


def _counted(body: Mapping[str, Any]) -> Counted:
    """What the mapping has made of the conversation."""
    counted = Counted()
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            kind = kind_of(block)
            counted.calls += kind == "tool_use"
            counted.results += kind == "tool_result"
            inner = block.get("content") if kind == "tool_result" else None
            counted.media += kind in _MEDIA
            counted.media += sum(kind_of(part) in _MEDIA for part in inner) if isinstance(inner, list) else 0
    return counted


def _schema_first(parameters: dict[str, Any]) -> dict[str, Any]:
    """LiteLLM maps in the order given, and the choice of the schema's tool would undo the client's `tool_choice`."""
    return dict(sorted(parameters.items(), key=lambda item: item[0] != "response_format"))


def _json_answer(body: dict[str, Any], parameters: dict[str, Any]) -> bool:
    """See to it that a JSON answer comes as one. True if it comes as the arguments of a tool."""
    wanted = parameters.get("response_format", {}).get("type")
    body.pop("json_mode", None)
    if wanted == "json_object":
        body["system"] = [*body.get("system", []), {"type": "text", "text": _JSON_MODE}]
    if wanted != "json_schema" or "output_format" in body:
        return False
    if parameters.get("tools") and "thinking" not in body:  # thinking forbids to force a tool
        _choose_among_all(body, parameters.get("tool_choice"))
    return True


def _choose_among_all(body: dict[str, Any], wanted: Any) -> None:
    """Let Claude call one of the client's tools or answer with the schema's, as far as the client's choice allows."""
    if wanted == "none":
        body["tool_choice"] = {"type": "tool", "name": litellm.JSON_TOOL}
    elif not isinstance(wanted, dict):
        mapped = body.get("tool_choice", {})
        parallel = {name: mapped[name] for name in ("disable_parallel_tool_use",) if name in mapped}
        body["tool_choice"] = {"type": "any", **parallel}


def _forbid_dummy(body: dict[str, Any]) -> None:
    if [tool.get("name") for tool in body.get("tools", [])] == [litellm.DUMMY_TOOL]:
        body["tool_choice"] = {"type": "none"}


def _make_room_for_thinking(body: dict[str, Any], call: Call) -> None:
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    limit = body.get("max_tokens")
    if not isinstance(budget, int) or not isinstance(limit, int):
        return
    known = entry("anthropic", call.model)
    if client_limit(call.body) is None and known is not None and known.max_output is not None:
        body["max_tokens"] = max(limit, known.max_output)
    elif limit <= budget:
        body["max_tokens"] = limit + budget


def _drop_lone_thinking(body: dict[str, Any]) -> None:
    thinking = body.get("thinking")
    if kind_of(thinking) != "enabled":
        return
    last = next((m["content"] for m in reversed(body["messages"]) if m["role"] == "assistant"), None)
    if not isinstance(last, list) or not last or kind_of(last[0]) in _THOUGHTS:
        return
    if not any(kind_of(block) == "tool_use" for block in last):
        return
    del body["thinking"]
    for message in body["messages"]:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            message["content"] = [block for block in message["content"] if kind_of(block) not in _THOUGHTS]


def _give_back(body: Mapping[str, Any], tickets: Tickets) -> None:
    """The arguments of calls, for the tickets that went through the mapping."""
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if kind_of(block) in ("tool_use", "server_tool_use"):
                block["input"] = tickets.exchanged(block.get("input"))
