"""Bodies that are hostile by their shape. Each grows with a size, in a different place of a request.

A shape is a function of a size in bytes. It returns the members of a body besides `model`, or the body's bytes. Some
shapes ignore the size: they are small, but expand to large values.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Members: TypeAlias = dict[str, Any]
Shape: TypeAlias = Callable[[int], Members | bytes]

STRING = {"type": "string"}
USER = {"role": "user", "content": "Hi"}
MAX_MESSAGES = 10_000
MAX_TOOLS = 128
MAX_CONTAINERS = 99_000


def body(shape: Shape, model: str, size: int, **more: Any) -> bytes:
    """The body of a request of about `size` bytes."""
    made = shape(size)
    head = {"model": model, **more}
    if isinstance(made, bytes):
        return json.dumps(head).encode()[:-1] + b"," + made + b"}"
    return json.dumps({**head, "messages": [USER], **made}).encode()


# ---- the parser
def _repeated(
    unit: bytes, before: bytes = b'"messages":[{"role":"user","content":"Hi"}],"x":[', after: bytes = b"1]"
) -> Shape:
    def make(size: int) -> bytes:
        return before + unit * ((size - len(before) - len(after) - 100) // len(unit)) + after

    return make


def _text(unit: bytes, first: bytes = b"") -> Shape:
    return _repeated(unit, b'"messages":[{"role":"user","content":"' + first, b'"}]')


def _spaces(size: int) -> bytes:
    return b" " * (size - 200) + b'"messages":[{"role":"user","content":"Hi"}]'


def _members(size: int) -> bytes:
    names = b",".join(b'"%x":0' % i for i in range(size // 10))
    return b'"messages":[{"role":"user","content":"Hi"}],"x":{' + names + b"}"


PARSED: dict[str, Shape] = {
    "numbers": _repeated(b"0,"),
    "long numbers": _repeated(b"0.12345678901234567,"),
    "integers beyond 64 bits": _repeated(b"123456789012345678901,"),
    "tiny texts": _repeated(b'"ab",'),
    "texts of brackets": _repeated(b'"[",'),
    "empty objects": _repeated(b"{},"),
    "members": _members,
    "spaces": _spaces,
    "letters": _text(b"x"),
    "Chinese": _text("密".encode()),
    "letters, one emoji": _text(b"x", "😀".encode()),
    "brackets in a text": _text(b"["),
    "digits in a text": _text(b"1"),
    "escapes": _text(b"\\n"),
    "escaped characters": _text(b"\\u00e9"),
    "backslashes": _text(b"\\\\"),
    "NUL almost": _text(b"\\\\u0000"),
    "national numbers almost": _text(b"536-22-"),
    "quotation marks in a text": _text(b'\\"'),
}


# ---- messages
def _call(number: int, arguments: str | None = None) -> Members:
    text = f'{{"i":{number}}}' if arguments is None else arguments
    return {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": text}}


def _result(number: int, content: Any = "told") -> Members:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": content}


def _asking(*calls: Members, **more: Any) -> Members:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def _conversation(*messages: Members) -> Members:
    return {"messages": [USER, *messages]}


def _parts(part: Members, count: int, role: str = "user") -> Members:
    return {"messages": [{"role": role, "content": [part] * min(count, MAX_CONTAINERS)}, USER]}


def _thinking(size: int) -> Members:
    each = min(size // 100, MAX_CONTAINERS // 2)
    thoughts = [{"type": "thinking", "thinking": "a", "signature": f"s{i}"} for i in range(each)]
    return _conversation({"role": "assistant", "content": [*thoughts, *([{"type": "text", "text": "a"}] * each)]})


def _fields(size: int) -> Members:
    count = min(size // 160, MAX_CONTAINERS // 5)
    calls = [{**_call(i), "id": f"srvtoolu_{i}"} for i in range(count)]
    results = [{"type": "web_search_tool_result", "tool_use_id": f"srvtoolu_{i}"} for i in range(count)]
    return _conversation(_asking(*calls, provider_specific_fields={"web_search_results": results}))


def _one_result_of_many_calls(size: int) -> Members:
    calls = [{**_call(i), "id": "srvtoolu_1"} for i in range(500)]
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": "x" * (size // 2)}
    return _conversation(_asking(*calls, provider_specific_fields={"web_search_results": [result]}))


def _url(data: str) -> Members:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def _agent(size: int) -> Members:
    """Make the messages of an honest agent: many turns with a call and its result."""
    turns = min(size // 400, MAX_MESSAGES // 2 - 1)
    words = "It was a bright cold day in April. " * max(1, size // turns // 40)
    return _conversation(*(m for i in range(turns) for m in (_asking(_call(i)), _result(i, words))))


MESSAGES: dict[str, Shape] = {
    "an honest agent": _agent,
    "tiny messages": lambda size: _conversation(*[USER] * min(size // 34, MAX_MESSAGES - 1)),
    "system messages": lambda size: _conversation(
        *[{"role": "system", "content": "a"}] * min(size // 36, MAX_MESSAGES - 1)
    ),
    "turns": lambda size: _conversation(*[{"role": "assistant", "content": "a"}, USER] * min(size // 76, 4_999)),
    "text parts": lambda size: _parts({"type": "text", "text": "a"}, size // 30),
    "system parts": lambda size: _parts({"type": "text", "text": "a"}, size // 30, "system"),
    "image parts": lambda size: _parts(_url("QUJD"), min(size // 90, MAX_CONTAINERS // 2)),
    "one image": lambda size: _parts(_url("QUJD" * (size // 4)), 1),
    "an image of schemes": lambda size: _parts(_url("data:" * (size // 5)), 1),
    "calls": lambda size: _conversation(_asking(*(_call(i) for i in range(min(size // 90, MAX_CONTAINERS // 3))))),
    "equal calls": lambda size: _conversation(_asking(*[_call(1)] * min(size // 90, MAX_CONTAINERS // 3))),
    "calls and results": lambda size: _conversation(
        _asking(*(_call(i) for i in range(min(size // 150, 9_000)))),
        *(_result(i) for i in range(min(size // 150, 9_000))),
    ),
    "a turn of many messages": lambda size: _conversation(*(_asking(_call(i)) for i in range(min(size // 140, 9_000)))),
    "long equal arguments": lambda size: _conversation(
        _asking(*(_call(i, '{"a":"' + "x" * (size // 400) + f'{i}"}}') for i in range(400)))
    ),
    "one long argument": lambda size: _conversation(_asking(_call(1, '{"a":"' + "x" * size + '"}')), _result(1)),
    "arguments of numbers": lambda size: _conversation(_asking(_call(1, '{"a":[' + "1," * (size // 2) + "1]}"))),
    "arguments of objects": lambda size: _conversation(_asking(_call(1, '{"a":[' + "{}," * (size // 3) + "1]}"))),
    "arguments of brackets": lambda size: _conversation(_asking(_call(1, "[" * size))),
    "arguments of quotation marks": lambda size: _conversation(_asking(_call(1, '"' * (size // 2)))),
    "a result of numbers": lambda size: _conversation(
        _asking(_call(1)), _result(1, '{"a":[' + "1," * (size // 2) + "1]}")
    ),
    "a result like a list": lambda size: _conversation(_asking(_call(1)), _result(1, "[x, " * (size // 4))),
    "thoughts": _thinking,
    "results of the provider's tools": _fields,
    "one such result of many calls": _one_result_of_many_calls,
}


# ---- schemas
def doubling(depth: int) -> Members:
    """Make definitions, each with two references to the next."""
    links = {
        f"d{i}": {"type": "object", "properties": {name: {"$ref": f"#/$defs/d{i + 1}"} for name in "ab"}}
        for i in range(depth)
    }
    return {"type": "object", "properties": {"p": {"$ref": "#/$defs/d0"}}, "$defs": {**links, f"d{depth}": STRING}}


def _circle(count: int) -> Members:
    each = {"type": "object", "properties": {f"p{i}": {"$ref": f"#/$defs/d{i}"} for i in range(count)}}
    return {
        "type": "object",
        "properties": {"p": {"$ref": "#/$defs/d0"}},
        "$defs": {f"d{i}": each for i in range(count)},
    }


def _typed(depth: int) -> Members:
    schema: Members = STRING
    for _ in range(depth):
        schema = {"type": ["object", "array"] * 3, "properties": {"p": schema}}
    return schema


def _flat(size: int) -> Members:
    return {"type": "object", "properties": {f"p{i}": STRING for i in range(min(size // 28, MAX_CONTAINERS - 100))}}


def _unused(size: int) -> Members:
    count = min(size // 60, MAX_CONTAINERS // 2)
    return {**_flat(count * 28), "definitions": {f"d{i}": STRING for i in range(count)}}


def _referring(size: int) -> Members:
    """Many references to one long definition."""
    count = min(size // 60, MAX_CONTAINERS - 100)
    properties = {f"p{i}": {"$ref": "#/$defs/long"} for i in range(count)}
    long = {"type": "string", "description": "x" * (size // 2)}
    return {"type": "object", "properties": properties, "$defs": {"long": long}}


def _enum(size: int) -> Members:
    return {"type": "object", "properties": {"p": {"type": "string", "enum": [f"e{i}" for i in range(size // 11)]}}}


def _branches(size: int) -> Members:
    anyof = [STRING] * min(size // 40, MAX_CONTAINERS - 100)
    return {"type": "object", "properties": {"p": {"description": "d" * (size // 2), "anyOf": anyof}}}


def _nulls(size: int) -> Members:
    anyof = [STRING, {"type": "null"}] * min(size // 40, MAX_CONTAINERS // 2 - 100)
    return {"type": "object", "properties": {"p": {"anyOf": anyof}}}


def _deep(size: int) -> Members:
    schema: Members = STRING
    for _ in range(25):
        schema = {"type": "object", "properties": {"p": schema}, "description": "d" * (size // 30)}
    return schema


SCHEMAS: dict[str, Callable[[int], Members]] = {
    "doubling 10": lambda size: doubling(10),
    "doubling 20": lambda size: doubling(20),
    "doubling 60": lambda size: doubling(60),
    "a circle": lambda size: _circle(12),
    "types of types": lambda size: _typed(25),
    "properties": _flat,
    "unused definitions": _unused,
    "references to a long text": _referring,
    "an enum": _enum,
    "a description of branches": _branches,
    "branches for null": _nulls,
    "a deep one": _deep,
}


def _tool(schema: Members, number: int = 0) -> Members:
    return {"type": "function", "function": {"name": f"f{number}", "parameters": schema}}


def _format(schema: Members) -> Members:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}


# ---- other parameters
PARAMETERS: dict[str, Shape] = {
    "many tools": lambda size: {"tools": [_tool(_flat(size // 140), i) for i in range(MAX_TOOLS)]},
    "tools that double": lambda size: {"tools": [_tool(doubling(6), i) for i in range(MAX_TOOLS)]},
    "functions that double": lambda size: {"functions": [{"name": "f", "parameters": doubling(20)}]},
    "tool names alike": lambda size: {"tools": [_tool({"type": "object"}, 1)] * MAX_TOOLS},
    "biases": lambda size: {"logit_bias": {str(i): 1 for i in range(min(size // 12, 100_000))}},
    "long stops": lambda size: {"stop": ["x" * (size // 16)] * 16},
    "an unknown list": lambda size: {"unknown": [1.5] * min(size // 5, 290_000)},
    "metadata": lambda size: {"metadata": {f"k{i}": "v" for i in range(min(size // 16, 140_000))}},
    "a long name of a member": lambda size: {"x" * size: 1},
    "long ids": lambda size: _conversation(
        _asking({**_call(1), "id": "é" * (size // 4)}),
        {"role": "tool", "tool_call_id": "é" * (size // 4), "content": "x"},
    ),
    "a long name of a tool": lambda size: {
        "tools": [{"type": "function", "function": {"name": "é" * (size // 2), "parameters": {}}}]
    },
}


def shapes() -> Iterator[tuple[str, Shape]]:
    """All shapes by name."""
    yield from PARSED.items()
    yield from MESSAGES.items()
    for name, schema in SCHEMAS.items():
        yield f"tool: {name}", lambda size, schema=schema: {"tools": [_tool(schema(size))]}  # type: ignore[misc]
        yield f"answer: {name}", lambda size, schema=schema: _format(schema(size))  # type: ignore[misc]
    yield from PARAMETERS.items()
