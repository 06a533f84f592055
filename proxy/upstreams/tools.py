"""Tools, `tool_choice` and `response_format`, checked and made ready for LiteLLM's mapping.

Rule: LiteLLM leaves out tools, choices and schemas that it does not understand; here they are refused, so that nothing
is without effect in silence. Tools that run at the provider (`native`) go as LiteLLM takes them.

Decisions: OpenAI's `custom` tools and `allowed_tools` choices have no counterpart and are refused. Anthropic's
spellings of a choice ({"type": "any"}, {"type": "tool", "name": …}) are taken as well. Without tools a choice of `auto`
or `none` says nothing and is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from proxy.upstreams.content import copied, fault, kind_of, listed

Tool: TypeAlias = dict[str, Any]

_CHOICES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


def prepared_tools(parameters: Mapping[str, Any], native: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """`parameters` with their tools, choice and response format checked and copied. Raises `InvalidRequest`."""
    ready = dict(parameters)
    if "tools" in ready:
        ready["tools"] = [_tool(t, f"tools[{i}]", native) for i, t in enumerate(listed(ready["tools"], "tools"))]
    if "tool_choice" in ready:
        ready["tool_choice"] = _choice(ready["tool_choice"])
        if not ready.get("tools") and ready["tool_choice"] in ("auto", "none"):
            del ready["tool_choice"]
    if "response_format" in ready:
        ready["response_format"] = _format(ready["response_format"])
    return ready


def _tool(tool: Any, where: str, native: Callable[[Mapping[str, Any]], bool]) -> Tool:
    if not isinstance(tool, Mapping):
        raise fault(where, 'must be an object such as {"type": "function", "function": {…}}.')
    copy: Tool = copied(tool)
    if native(tool):
        return copy
    if tool.get("type") != "function":
        raise fault(f"{where}.type", f"{tool.get('type')!r} is not a tool of this provider: use function tools.")
    function = copy.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise fault(f"{where}.function.name", "is missing: give the function a name.")
    if function.get("parameters") is None:
        function["parameters"] = {"type": "object", "properties": {}}
    if not isinstance(function["parameters"], dict):
        raise fault(f"{where}.function.parameters", "must be a JSON schema of an object.")
    if function.get("description") is None:
        function.pop("description", None)
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


def _format(form: Any) -> Any:
    kind = kind_of(form)
    if kind not in ("text", "json_object", "json_schema"):
        raise fault("response_format.type", "must be text, json_object or json_schema: use one of these.")
    if kind == "json_schema":
        described = form.get("json_schema")
        if not isinstance(described, Mapping) or not isinstance(described.get("schema"), Mapping):
            raise fault("response_format.json_schema.schema", "is missing: give the JSON schema of the answer.")
    return copied(form)
