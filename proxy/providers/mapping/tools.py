"""Tools, `tool_choice` and `response_format`, checked and made ready for LiteLLM's mapping.

Rule: LiteLLM leaves out tools, choices and schemas that it does not understand; here they are refused, so that nothing
is without effect in silence. Tools that run at the provider (`native`) go as LiteLLM takes them.

Decisions: OpenAI's `custom` tools and `allowed_tools` choices have no counterpart and are refused. Anthropic's
spellings of a choice ({"type": "any"}, {"type": "tool", "name": …}) are taken as well. Without tools a choice of `auto`
or `none` says nothing and is left out.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

from proxy.providers.mapping.content import copied, fault, kind_of, listed

Tool: TypeAlias = dict[str, Any]

_CHOICES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


class Provider(Protocol):
    """What a provider makes of tools and schemas."""

    def is_native(self, tool: Mapping[str, Any]) -> bool:
        """Whether the tool goes up as it is."""

    def parameters(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """A copy of a function's schema, ready for LiteLLM. Raises `InvalidRequest` and `OverBudget`."""

    def answer(self, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
        """A copy of the schema of the answer, ready for LiteLLM. Raises `InvalidRequest` and `OverBudget`."""


def prepared_tools(parameters: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    """`parameters` with their tools, choice and response format checked and copied. Raises `InvalidRequest` and
    `OverBudget`."""
    ready = dict(parameters)
    if "tools" in ready:
        ready["tools"] = [_tool(t, f"tools[{i}]", provider) for i, t in enumerate(listed(ready["tools"], "tools"))]
    if "tool_choice" in ready:
        ready["tool_choice"] = _choice(ready["tool_choice"])
        if not ready.get("tools") and ready["tool_choice"] in ("auto", "none"):
            del ready["tool_choice"]
    if "response_format" in ready:
        ready["response_format"] = _format(ready["response_format"], provider)
    return ready


def _tool(tool: Any, where: str, provider: Provider) -> Tool:
    if not isinstance(tool, Mapping):
        raise fault(where, 'must be an object such as {"type": "function", "function": {…}}.')
    if provider.is_native(tool):
        native: Tool = copied(tool)
        return native
    if kind_of(tool) != "function":
        raise fault(f"{where}.type", "is not a tool of this provider: use function tools.")
    copy: Tool = {name: copied(value) for name, value in tool.items() if name != "function"}
    copy["function"] = _function(tool.get("function"), f"{where}.function", provider)
    return copy


def _function(function: Any, where: str, provider: Provider) -> Tool:
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        raise fault(f"{where}.name", "is missing: give the function a name.")
    parameters = function.get("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping):
        raise fault(f"{where}.parameters", "must be a JSON schema of an object.")
    copy: Tool = {name: copied(value) for name, value in function.items() if name != "parameters"}
    copy["parameters"] = provider.parameters(parameters, f"{where}.parameters")
    if copy.get("description") is None:
        copy.pop("description", None)
    return copy


def _choice(choice: Any) -> Any:
    if isinstance(choice, Mapping):
        named = choice if kind_of(choice) == "tool" else choice.get("function")
        name = named.get("name") if isinstance(named, Mapping) else None
        if isinstance(name, str) and name:
            return {"type": "function", "function": {"name": name}}
    word = choice if isinstance(choice, str) else kind_of(choice)
    if word in _CHOICES:
        return _CHOICES[word]
    raise fault("tool_choice", "must be auto, none, required or the name of one function: use one of these.")


def _format(form: Any, provider: Provider) -> Any:
    kind = kind_of(form)
    if kind not in ("text", "json_object", "json_schema"):
        raise fault("response_format.type", "must be text, json_object or json_schema: use one of these.")
    made: Tool = {"type": kind}
    if kind == "json_schema":
        where = "response_format.json_schema.schema"
        described = form.get("json_schema")
        if not isinstance(described, Mapping) or not isinstance(described.get("schema"), Mapping):
            raise fault(where, "is missing: give the JSON schema of the answer.")
        copy = {name: copied(value) for name, value in described.items() if name != "schema"}
        made["json_schema"] = {**copy, "schema": provider.answer(described["schema"], where)}
    elif form.get("response_schema") is not None:  # Google's spelling, which LiteLLM takes
        where = "response_format.response_schema"
        if not isinstance(form["response_schema"], Mapping):
            raise fault(where, "must be the JSON schema of the answer.")
        made["response_schema"] = provider.answer(form["response_schema"], where)
    return made
