"""Gemini's format: camel case, CR LF, growing usage, whole function calls, and rejected requests."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from proxy.simulator import Answer, Simulator, Tokens, ToolUse

pytestmark = pytest.mark.anyio
Build = Callable[..., Any]
Events = Callable[[str], list[Any]]
CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"sky": "sunny"}}}]}
TOOLS = [{"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]


def parts(told: list[Any], choice: int = 0) -> list[dict[str, Any]]:
    found = [candidate for event in told for candidate in event["candidates"] if candidate["index"] == choice]
    return [part for candidate in found for part in candidate["content"]["parts"]]


async def test_events_are_lines_that_end_in_cr_lf(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    response = await http.post(**post("gemini").arguments)
    assert response.headers["content-type"] == "text/event-stream"
    lines = response.content.split(b"\r\n\r\n")
    assert len(lines) > 10 and lines.pop() == b""
    assert all(line.startswith(b"data: {") and b"\n" not in line for line in lines)


async def test_text_thoughts_calls_and_growing_usage(
    sim: Simulator, http: httpx.AsyncClient, post: Build, events: Events
) -> None:
    sim.answers["m"] = Answer(
        "Here it is, 世界.",
        reasoning="Let me think.",
        tools=(ToolUse("weather", '{"city": "北京"}'), ToolUse("time", "[1]")),
        tokens=Tokens(prompt=20, completion=9, cached=5, reasoning=3),
    )
    told = events((await http.post(**post("gemini").arguments)).text)
    assert "".join(p["text"] for p in parts(told) if p.get("thought")) == "Let me think."
    assert "".join(p.get("text", "") for p in parts(told) if not p.get("thought")) == "Here it is, 世界."
    calls = [p["functionCall"] for p in parts(told) if "functionCall" in p]
    assert calls == [{"name": "weather", "args": {"city": "北京"}}, {"name": "time", "args": {"value": [1]}}]
    counts = [event["usageMetadata"]["totalTokenCount"] for event in told]
    assert counts == sorted(counts) and counts[-1] == 29
    assert told[-1]["usageMetadata"]["candidatesTokenCount"] == 6
    assert told[-1]["usageMetadata"]["thoughtsTokenCount"] == 3
    assert told[-1]["candidates"][0]["finishReason"] == "STOP"
    assert len({event["responseId"] for event in told}) == 1


async def test_candidates_take_turns_and_each_finishes(
    sim: Simulator, http: httpx.AsyncClient, post: Build, events: Events
) -> None:
    sim.answers["m"] = Answer(("one", "two"), finish="length")
    told = events((await http.post(**post("gemini", generationConfig={"candidate_count": 2}).arguments)).text)
    assert ["".join(p["text"] for p in parts(told, choice)) for choice in (0, 1)] == ["one", "two"]
    assert [c["finishReason"] for e in told for c in e["candidates"] if "finishReason" in c] == ["MAX_TOKENS"] * 2


async def test_a_whole_answer_says_the_same(sim: Simulator, http: httpx.AsyncClient, post: Build) -> None:
    sim.answers["m"] = Answer("Here it is.", reasoning="Let me think.")
    whole = (await http.post(**post("gemini", stream=False).arguments)).json()
    assert whole["candidates"][0]["content"]["parts"] == [
        {"text": "Let me think.", "thought": True},
        {"text": "Here it is."},
    ]


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, "UNAUTHENTICATED"),
        ("&key=bad-key", {}, "UNAUTHENTICATED"),
        ("", {"x-goog-api-key": "bad-key"}, "UNAUTHENTICATED"),
        ("", {"x-goog-api-key": "invalid-key"}, "INVALID_ARGUMENT"),
    ],
)
async def test_a_missing_or_bad_key_is_refused(
    http: httpx.AsyncClient, post: Build, query: str, headers: dict[str, str], status: str
) -> None:
    request = post("gemini")
    response = await http.post(request.path + query, headers=headers, json=request.body)
    assert response.json()["error"]["status"] == status
    assert response.status_code == response.json()["error"]["code"] != 200


async def test_the_key_may_come_in_the_query(http: httpx.AsyncClient, post: Build) -> None:
    request = post("gemini")
    assert (await http.post(request.path + "&key=good", json=request.body)).status_code == 200


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"contents": []}, "contents is not specified"),
        ({"messages": []}, 'Unknown name "messages"'),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({"contents": [{"role": "user", "content": "x"}]}, 'Unknown name "content"'),
        ({"contents": [{"role": "user", "parts": [{"thought": True}]}]}, "required oneof field 'data'"),
        ({"contents": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]}, 'Unknown name "type"'),
        ({"contents": [{"parts": [{"text": "x", "thoughtSignature": "?"}]}]}, "Base64 decoding failed"),
        ({"contents": [CALL]}, "immediately before a function response turn"),
        ({"contents": [CALL, {"role": "user", "parts": [{"text": "x"}]}]}, "number of function response parts"),
        ({"generationConfig": {"n": 2}}, "Unknown name \"n\" at 'generation_config'"),
        ({"generationConfig": {"candidateCount": 9}}, "candidate_count"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "max_output_tokens"),
        ({"generationConfig": {"temperature": 3}}, "temperature"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "Invalid function name"),
        ({"toolConfig": 5}, "wrong type"),
    ],
)
async def test_a_request_that_the_api_refuses_is_refused(
    sim: Simulator, http: httpx.AsyncClient, post: Build, members: dict[str, Any], says: str
) -> None:
    response = await http.post(**post("gemini", **members).arguments)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_a_stream_without_server_sent_events_is_refused(
    sim: Simulator, http: httpx.AsyncClient, post: Build
) -> None:
    request = post("gemini")
    response = await http.post(request.path.removesuffix("?alt=sse"), headers=request.headers, json=request.body)
    assert response.status_code == 400 and "alt=sse" in response.json()["error"]["message"]


async def test_a_forced_function_is_called_and_its_result_told(
    sim: Simulator, http: httpx.AsyncClient, post: Build
) -> None:
    forced = {"functionCallingConfig": {"mode": "ANY", "allowed_function_names": ["f"]}}
    request = post("gemini", "gemini-2.5-flash", stream=False, tools=TOOLS, toolConfig=forced)
    reply = (await http.post(**request.arguments)).json()
    assert reply["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "f"
    request.body["contents"] += [CALL, RESULT]
    reply = (await http.post(**request.arguments)).json()
    assert 'The tool said: {"sky": "sunny"}' in reply["candidates"][0]["content"]["parts"][0]["text"]
