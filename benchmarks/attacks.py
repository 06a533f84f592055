"""Attacks by a hostile client, of every kind that once stopped or filled the gateway, one at a time, at random.

An attack is one request and takes at most `PATIENCE` seconds. The gateway's answers are counted, not judged, with two
exceptions that are always wrong: no answer at all, and a failure of the gateway itself (500).
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.hostile import MODES
from tests.end_to_end.wire import Client, client, post, responses

PATIENCE: Final = 45.0
"""Seconds after which an answer counts as missing, longer than the `timeouts.total` of the soak."""

KEY: Final = "soak-attackers-key"
_AUTH: Final = f"authorization: Bearer {KEY}"

Draw = random.Random
Body = dict[str, Any]


@dataclass(slots=True)
class Attacks:
    """`ends` counts the results by kind and end. `wrong` lists forbidden results."""

    random: random.Random
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def one(self, port: int) -> None:
        """Attack once."""
        name = self.random.choice(list(KINDS))
        try:
            async with client(port) as attacker, asyncio.timeout(PATIENCE):
                await KINDS[name](attacker, self.random)
                end = _end(bytes(attacker.seen))
        except TimeoutError:
            end = "hung"
        except OSError:
            end = "closed"
        self.ends[name, end] += 1
        if end in ("hung", "500"):
            self.wrong.append(f"attack {name}: {end}")

    def report(self) -> str:
        """Format the kinds and their ends, a line for each kind."""
        lines = []
        for name in KINDS:
            ends = {end: count for (kind, end), count in self.ends.items() if kind == name}
            told = ", ".join(f"{end} {count}" for end, count in sorted(ends.items(), key=lambda item: -item[1]))
            lines.append(f"  {name}: {told or 'not once'}")
        return f"attacks: {self.ends.total()}\n" + "\n".join(lines)


def _end(wire: bytes) -> str:
    try:
        found = responses(wire) if wire else []
    except Exception as failure:  # an unreadable response: httptools' errors have no common base
        return f"unreadable: {type(failure).__name__}"
    if not found:
        return "closed"
    return str(found[0].status) if found[0].complete else "cut"


# ---- bodies
def _body(model: str, draw: Draw, **members: Any) -> Body:
    return {"model": model, "stream": draw.random() < 0.7, "messages": [_user("hello")], **members}


def _user(text: str) -> Body:
    return {"role": "user", "content": text}


def _chain(depth: int) -> Body:
    """Make a schema of a few hundred bytes that expands to 2 to the power of `depth`."""
    definitions: Body = {"d0": {"type": "string"}}
    for number in range(1, depth):
        reference = {"$ref": f"#/$defs/d{number - 1}"}
        definitions[f"d{number}"] = {"type": "object", "properties": {"a": reference, "b": reference}}
    return {"type": "object", "properties": {"x": {"$ref": f"#/$defs/d{depth - 1}"}}, "$defs": definitions}


def _answer_format(schema: Body) -> Body:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def _expanding_tools(draw: Draw) -> Body:
    tool = {"type": "function", "function": {"name": "f", "parameters": _chain(draw.randint(14, 24))}}
    return _body(draw.choice(("soak-gemini", "soak-anthropic")), draw, tools=[tool])


def _expanding_format(draw: Draw) -> Body:
    model = draw.choice(("soak-anthropic", "soak-gemini", "soak-json"))
    return _body(model, draw, response_format=_answer_format(_chain(draw.randint(12, 24))))


def _repeats(draw: Draw) -> Body:
    pattern = draw.choice(
        ("(?:){4294967294}", "a{20000000}", "((a{1,500}){1,500}){1,500}", "(a|aa|b?)*c{9999}", "(.*a){40}")
    )
    schema = {"type": "object", "properties": {"x": {"type": "string", "pattern": pattern}}}
    return _body("soak-json", draw, response_format=_answer_format(schema))


def _branches(draw: Draw) -> Body:
    names = [f"n{number}" for number in range(draw.randint(10_000, 60_000))]
    schema = draw.choice(
        (
            {"anyOf": [{"required": names}, {"type": "object"}]},
            {
                "dependentRequired": {"a": names},
                "anyOf": [{"$ref": "#/$defs/a"}] * 500,
                "$defs": {"a": {"type": "object"}},
            },
            {"enum": names},
        )
    )
    return _body("soak-json", draw, response_format=_answer_format(schema))


def _large_text(draw: Draw) -> Body:
    part = draw.choice(("536-22-", "4012 8888 ", "a@b.", '"', "\\", "+1 (555) ", "ann@example.com "))
    return _body("soak-guarded", draw, messages=[_user(part * (draw.randint(500_000, 2_000_000) // len(part)))])


def _large_arguments(draw: Draw) -> Body:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"x": '"536-22-' * 120_000})},
    }
    messages = [
        _user("x"),
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "y"},
    ]
    return _body(draw.choice(("soak-guarded", "soak-anthropic", "soak-gemini")), draw, messages=messages)


_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    1e308,
    10**400,
    "",
    "\ud800",
    [],
    {},
    [[]],
    {"type": []},
    [None],
    "x" * 1000,
)


def _odd_types(draw: Draw) -> Body:
    content = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:,"}}, {"type": []}]
    message: Body = {
        "role": "assistant",
        "content": content,
        "thinking_blocks": [{"type": "thinking", "thinking": "x"}],
    }
    body = _body(
        draw.choice(("soak-openai", "soak-anthropic", "soak-gemini", "soak-json")), draw, messages=[_user("x"), message]
    )
    body |= {"tools": [], "stop": ["x"], "n": 1, "temperature": 1, "response_format": {"type": "text"}, "metadata": {}}
    for _ in range(draw.randint(1, 3)):
        _spoil(body, draw)
    return body


def _spoil(value: Any, draw: Draw) -> None:
    """Put something odd somewhere into a value."""
    while True:
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        place = draw.choice(places)
        if isinstance(value[place], dict | list) and value[place] and draw.random() < 0.7:
            value = value[place]
            continue
        value[place] = deepcopy(draw.choice(_ODD))
        return


def _many_values(draw: Draw) -> Body:
    many = draw.randint(100_000, 500_000)
    return draw.choice(
        (
            _body("soak-openai", draw, metadata=[0] * many),
            _body("soak-openai", draw, metadata={f"k{number}": {} for number in range(many // 10)}),
            _body("soak-anthropic", draw, messages=[_user("")] * (many // 10)),
            _body("soak-gemini", draw, tools=[{"type": "function", "function": {"name": "f"}}] * (many // 20)),
        )
    )


def _slow_prompt(draw: Draw) -> Body:
    return _body(draw.choice(("soak-openai", "soak-anthropic", "soak-gemini")), draw, messages=[_user("slow")])


def _hostile_provider(draw: Draw) -> Body:
    return _body(f"hostile-{draw.choice(list(MODES))}", draw)


# ---- ways to send
Attack = Callable[[Client, Draw], Awaitable[None]]


def _sent(make: Callable[[Draw], Body]) -> Attack:
    async def attack(attacker: Client, draw: Draw) -> None:
        data = json.dumps(make(draw)).encode()
        await _send(attacker, post("/v1/chat/completions", data, _AUTH, "connection: close"))
        await attacker.rest(PATIENCE)

    return attack


async def _send(attacker: Client, data: bytes) -> None:
    for start in range(0, len(data), 2**16):
        await attacker.send(data[start : start + 2**16])


def _ordinary(*headers: str, length: int | None = None) -> bytes:
    body = json.dumps({"model": "soak-openai", "messages": [_user("hello")], "stream": True}).encode()
    return post("/v1/chat/completions", body, _AUTH, *headers, length=length)


async def _slow_body(attacker: Client, draw: Draw) -> None:
    await attacker.send(_ordinary(length=10_000))
    for _ in range(draw.randint(5, 20)):
        await asyncio.sleep(0.5)
        await attacker.send(b" ")
    attacker.close()


async def _half_heads(attacker: Client, draw: Draw) -> None:
    await attacker.send(_ordinary()[: draw.randint(1, 60)])
    await asyncio.sleep(draw.uniform(0, 5))
    attacker.reset()


async def _two_at_once(attacker: Client, draw: Draw) -> None:
    await attacker.send(_ordinary() + _ordinary("connection: close"))
    await attacker.rest(PATIENCE)


async def _unread(attacker: Client, draw: Draw) -> None:
    """Send a request and read nothing."""
    await attacker.send(_ordinary())
    await asyncio.sleep(draw.uniform(1, 10))
    attacker.reset()


async def _long_chunks(attacker: Client, draw: Draw) -> None:
    head = _ordinary("transfer-encoding: chunked").partition(b"\r\n\r\n")[0]
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"content-length"))
    await attacker.send(head + b"\r\n\r\n")
    for _ in range(200):
        await attacker.send(b"1;" + b"x" * 8000 + b"\r\n{\r\n")


KINDS: Final[dict[str, Attack]] = {
    "a schema that expands, in tools": _sent(_expanding_tools),
    "a schema that expands, in response_format": _sent(_expanding_format),
    "patterns with huge repeats": _sent(_repeats),
    "schemas with many names": _sent(_branches),
    "one or two megabytes to redact": _sent(_large_text),
    "a megabyte of tool arguments": _sent(_large_arguments),
    "odd types": _sent(_odd_types),
    "many small values": _sent(_many_values),
    "slow prompts": _sent(_slow_prompt),
    "a hostile provider": _sent(_hostile_provider),
    "a slow body": _slow_body,
    "half a head": _half_heads,
    "two requests at once": _two_at_once,
    "an answer that is not read": _unread,
    "long chunk extensions": _long_chunks,
}
