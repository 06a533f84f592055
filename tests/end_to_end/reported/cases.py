"""Cases that people reported about gateways, servers and streaming clients: the provider's answer and the client's
expected result.

Each case is our own. It names its report by the address after https://github.com/.
"""

import json
from collections.abc import Sequence

from tests.end_to_end.reported.case import (
    BROKE,
    DONE,
    FULL,
    STOP,
    WEATHER,
    WHOLE,
    A,
    B,
    Case,
    bare,
    calls,
    chunk,
    event,
    piece,
)
from tests.end_to_end.reported.mapped import CLAUDES, GEMINIS

ALIVE: Sequence[Case] = [
    Case(
        "the time of day as a sign of life",
        "missuo/FreeGPT35/pull/29",
        event(b"2026-02-03 10:20:30.123456") + A + B + STOP + DONE,
        WHOLE,
    ),
    Case("a comment as data", "anomalyco/opencode/issues/50871", A + event(b": keepalive") + B + STOP + DONE, WHOLE),
    Case(
        "a named event without JSON",
        "diegosouzapw/OmniRoute/pull/1146",
        A + event(b"x", "keepalive") + B + STOP + DONE,
        WHOLE,
    ),
    Case("an empty text as data", "caozhiyuan/copilot-api/pull/88", A + event(b'""', "ping") + B + STOP + DONE, WHOLE),
    Case(
        "no space behind the colon",
        "openai/openai-python/issues/498",
        (A + B + STOP + DONE).replace(b"data: ", b"data:"),
        WHOLE,
    ),
]

FORMS: Sequence[Case] = [
    Case(
        "a first chunk without delta",
        "QwenLM/qwen-code/pull/1448",
        bare(index=0, finish_reason=None) + A + B + STOP + DONE,
        WHOLE,
    ),
    Case(
        "a last chunk without delta",
        "lingyuins/octopus/issues/62",
        A + B + bare(index=0, finish_reason="stop") + DONE,
        WHOLE,
    ),
    Case(
        "texts where deltas should be",
        "abetlen/llama-cpp-python/issues/133",
        bare(index=0, text="Once ") + bare(index=0, text="upon", finish_reason="stop") + DONE,
        WHOLE,
    ),
    Case(
        "delta and message",
        "microsoft/foundry-local/issues/221",
        chunk({"content": "Once "}, message={"content": "Once "})
        + chunk({"content": "upon"}, "stop", message={"content": "upon"})
        + DONE,
        WHOLE,
    ),
    Case(
        "content in parts",
        "tashfeenahmed/freellmapi/issues/166",
        chunk({"content": [{"type": "text", "text": "Once "}]}) + B + STOP + DONE,
        WHOLE,
    ),
    Case(
        "reasoning in parts",
        "databricks/appkit/pull/559",
        chunk(
            {
                "content": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                    {"type": "text", "text": "Once "},
                ]
            }
        )
        + B
        + STOP
        + DONE,
        {**WHOLE, "reasoning": "hm"},
    ),
    Case(
        "reasoning and content together",
        "BerriAI/litellm/issues/27492",
        chunk({"reasoning_content": "hm", "content": "Once "}) + B + STOP + DONE,
        {**WHOLE, "reasoning": "hm"},
    ),
    Case(
        "reasoning by its other name",
        "decolua/9router/pull/3601",
        chunk({"reasoning": "h"}) + chunk({"reasoning": "m"}) + A + B + STOP + DONE,
        {**WHOLE, "reasoning": "hm"},
    ),
    Case(
        "events without their prefix",
        "comet-ml/opik/pull/5149",
        b"\n".join(one.removeprefix(b"data: ").strip() for one in (A, B, STOP)),
        WHOLE,
    ),
    Case("events called JSON", "BYK/loreai/pull/1195", A + B + STOP + DONE, WHOLE, kind="application/json"),
    Case("events called nothing", "nearai/private-ml-sdk/pull/20", A + B + STOP + DONE, WHOLE, kind=""),
    Case(
        "a whole answer, then the mark",
        "decolua/9router/issues/3492",
        json.dumps({"choices": [{"index": 0, "message": {"content": "Once upon"}, "finish_reason": "stop"}]}).encode()
        + b"\n\n"
        + DONE,
        WHOLE,
    ),
    Case(
        "a usage chunk without choices",
        "ROCm/ATOM/pull/1711",
        A + B + STOP + event({"usage": {"prompt_tokens": 4, "completion_tokens": 2}}) + DONE,
        {**WHOLE, "tokens": (4, 2)},
    ),
]

ENDS: Sequence[Case] = [
    Case(
        "null as a text",
        "Ai00-X/ai00_server/issues/90",
        A.replace(b'"finish_reason": null', b'"finish_reason": "null"') + B + STOP + DONE,
        WHOLE,
    ),
    Case(
        "an empty reason",
        "ollama/ollama/issues/4357",
        A.replace(b'"finish_reason": null', b'"finish_reason": ""') + B + STOP + DONE,
        WHOLE,
    ),
    Case(
        "a reason with each chunk",
        "BerriAI/litellm/issues/2195",
        chunk({"content": "Once "}, "stop") + chunk({"content": "upon"}, "stop") + DONE,
        WHOLE,
    ),
    Case(
        "a reason with logprobs",
        "BerriAI/litellm/issues/10686",
        A + chunk({"content": "upon"}, "stop", logprobs={"content": [{"token": "upon", "logprob": -0.5}]}) + DONE,
        WHOLE,
    ),
    Case(
        "stop behind calls",
        "vercel/workflow/issues/1387",
        calls(piece(0, "a", *WEATHER[0]), reason="stop"),
        {"calls": WEATHER, "finish": "tool_calls"},
    ),
    Case("calls promised and none made", "mastra-ai/mastra/pull/14187", A + B + chunk({}, "tool_calls") + DONE, WHOLE),
    Case("the library's names", "genkit-ai/genkit/pull/6259", A + B + chunk({}, "end_turn") + DONE, WHOLE),
    Case(
        "a filter in the library's spelling",
        "",
        A + B + chunk({}, "content-filter") + DONE,
        {"finish": "content_filter"},
    ),
]

CALLS: Sequence[Case] = [
    Case(
        "an id with each piece",
        "poolsideai/pool/issues/9",
        calls(piece(0, "a", "weather", ""), piece(0, "b", None, '{"city":'), piece(0, "c", None, '"Oslo"}')),
        {"calls": WEATHER},
    ),
    Case(
        "the arguments once more",
        "vllm-project/vllm/issues/42167",
        calls(
            piece(0, "a", "weather", '{"city":'),
            piece(0, None, None, '"Oslo"}'),
            piece(0, None, None, '{"city": "Oslo"}'),
        ),
        {"calls": WEATHER},
    ),
    Case(
        "the call once more",
        "vllm-project/vllm/issues/44098",
        calls(piece(0, "a", "weather", '{"city":'), piece(0, None, None, '"Oslo"}'), piece(0, "a", *WEATHER[0])),
        {"calls": WEATHER},
    ),
    Case(
        "no arguments",
        "QwenLM/qwen-code/pull/6250",
        calls(piece(0, "a", "weather", "")),
        {"calls": [("weather", "{}")]},
    ),
    Case(
        "counted from one",
        "pipecat-ai/pipecat/issues/4987",
        calls(piece(1, "a", "weather", ""), piece(1, None, None, '{"city":"Oslo"}')),
        {"calls": WEATHER},
    ),
    Case(
        "arguments before the name",
        "vercel/ai/pull/15879",
        calls(piece(None, "a", None, '{"city":'), piece(None, "a", "weather", '"Oslo"}')),
        {"calls": WEATHER},
    ),
    Case(
        "an id that comes late",
        "use-agent-os/agent-os/pull/3265",
        calls({"index": 0}, piece(0, "a", *WEATHER[0])),
        {"calls": WEATHER},
    ),
    Case(
        "the same id with each piece",
        "JetBrains/koog/pull/2052",
        calls(piece(None, "a", "weather", ""), piece(None, "a", None, '{"city":'), piece(None, "a", None, '"Oslo"}')),
        {"calls": WEATHER},
    ),
]

FAILURES: Sequence[Case] = [
    Case(
        "an error in a choice",
        "genkit-ai/genkit/pull/6259",
        A + chunk({"content": ""}, "error", error={**FULL, "code": 502}) + DONE,
        BROKE,
    ),
    Case(
        "a code and a message",
        "infiniflow/ragflow/pull/17292",
        A + event({"base_resp": {"status_code": 1002, "status_msg": FULL["message"]}, "choices": None}) + DONE,
        BROKE,
    ),
    Case("a line of words", "lucasjinreal/Crane/pull/121", A + event(b"error: the disk is full") + DONE, BROKE),
    Case(
        "a line that is no event",
        "stacklok/toolhive/issues/6037",
        A + b'{"error": {"message": "the disk is full"}}\n\n' + DONE,
        BROKE,
    ),
    Case(
        "an error behind half an event",
        "Wei-Shaw/sub2api/issues/1471",
        A + b'data: {"choices": [{"ind\ndata: {"error": {"message": "the disk is full"}}\n\n',
        BROKE,
    ),
    Case(
        "no choices and an error",
        "diegosouzapw/OmniRoute/pull/8210",
        A + event({"choices": [], "error": {**FULL, "code": 502}}) + DONE,
        BROKE,
    ),
    Case(
        "MiniMax's way, before anything",
        "CherryHQ/cherry-studio/issues/11287",
        event({"base_resp": {"status_code": 1002, "status_msg": "the disk is full"}, "choices": None, "usage": {}}),
        {"status": 502, "says": "the disk is full"},
    ),
    Case(
        "OpenRouter's words are in the metadata",
        "open-webui/computer/issues/293",
        json.dumps(
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 429,
                    "metadata": {"raw": "the shared pool is busy"},
                }
            }
        ).encode(),
        {"status": 429, "says": "the shared pool is busy"},
        status=429,
        kind="application/json",
    ),
    Case(
        "and there in JSON",
        "diegosouzapw/OmniRoute/issues/3044",
        json.dumps(
            {
                "error": {
                    "message": "Provider returned error",
                    "code": 400,
                    "metadata": {"raw": json.dumps({"error": {"message": "one image at most"}})},
                }
            }
        ).encode(),
        {"status": 400, "says": "one image at most"},
        status=400,
        kind="application/json",
    ),
    Case(
        "a page among the events",
        "diegosouzapw/OmniRoute/pull/4937",
        A + event(b"<html>too busy</html>") + DONE,
        {"done": False, "says": "cannot be read"},
    ),
    Case(
        "nothing but an end",
        "kortix-ai/suna/pull/4099",
        event({"choices": []}) + DONE,
        {"status": 502, "says": "empty answer"},
    ),
]

CASES = (*ALIVE, *FORMS, *ENDS, *CALLS, *FAILURES, *CLAUDES, *GEMINIS)
