"""Calls through LiteLLM, against a real server on a loopback socket."""

import asyncio
import time
from typing import Any

import pytest

from policies.events import Attachment, End, Event, Finish, Text, ToolCall, Usage
from proxy.errors import InvalidRequest, UpstreamError
from proxy.formats.base import DecodeError
from proxy.providers.engine import LiteLLMEngine
from tests.proxy.providers.calls import KEY, call
from tests.proxy.providers.engines import against, everything, failing, text_of, to
from tests.proxy.providers.provider import ANSWERS, OPENAI, Provider, openai_chunk

pytestmark = pytest.mark.usefixtures("litellm_warm")
SOON = 2.0
APIS = ["openai", "anthropic", "gemini"]


@pytest.mark.parametrize("api", APIS)
def test_an_answer_from_its_first_chunk_to_its_natural_end(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        answer = await engine.open(to(api, provider))
        events = await everything(answer)
        assert text_of(events) == "Hello"
        assert Finish(0, "stop") in events
        [usage] = [event for event in events if isinstance(event, Usage)]
        assert (usage.prompt, usage.completion) == (3, 2)
        assert events[-1] == End("natural")
        assert answer.meta.model

    against(lambda: Provider(ANSWERS[api]), test)


@pytest.mark.parametrize("api", APIS)
def test_a_connection_serves_again_after_a_natural_end(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        for _ in range(3):
            await everything(await engine.open(to(api, provider)))
        assert len(provider.heads) == 3
        assert provider.connections == 1

    against(lambda: Provider(ANSWERS[api]), test)


@pytest.mark.parametrize("api", APIS)
def test_closing_in_mid_stream_closes_the_providers_connection(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        answer = await engine.open(to(api, provider))
        await answer.read()
        started = time.perf_counter()
        await answer.aclose()
        await asyncio.wait_for(provider.left.wait(), SOON)
        print(f"{api}: closed after {(provider.left_at - started) * 1000:.1f} ms")
        await answer.aclose()

    against(lambda: Provider(ANSWERS[api][:3], then="hang"), test)


@pytest.mark.parametrize("api", APIS)
def test_leaving_before_the_first_byte_closes_the_providers_connection(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        opening = asyncio.ensure_future(engine.open(to(api, provider)))  # noqa: TID251 - held here
        await provider.asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.wait_for(provider.left.wait(), SOON)

    against(lambda: Provider(silent=True), test)


def test_leaving_at_any_moment_of_the_opening_leaves_nothing_behind() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        for step in range(40):
            opening = asyncio.ensure_future(engine.open(to("openai", provider)))  # noqa: TID251 - held here
            await asyncio.sleep(step / 4000)
            opening.cancel()
            await asyncio.wait({opening})
            if not opening.cancelled():
                await opening.result().aclose()
        assert text_of(await everything(await engine.open(to("openai", provider)))) == "Hello"

    against(lambda: Provider(OPENAI), test)


def test_a_cancelled_read_loses_nothing() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        answer = await engine.open(to("openai", provider))
        events: list[Event | DecodeError] = []
        try:
            while not events or not isinstance(events[-1], End):
                try:
                    async with asyncio.timeout(0):
                        events += await answer.read()
                except TimeoutError:
                    await asyncio.sleep(0)
        finally:
            await answer.aclose()
        assert text_of(events) == "".join(f"w{i} " for i in range(50))

    words = [openai_chunk({"content": f"w{i} "}) for i in range(50)]
    against(lambda: Provider([*words, *OPENAI[2:]]), test)


@pytest.mark.parametrize("api", APIS)
def test_closing_again_does_not_disturb_the_closing(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        answer = await engine.open(to(api, provider))
        async with asyncio.TaskGroup() as closing:
            for _ in range(8):
                closing.create_task(answer.aclose())
                await asyncio.sleep(0)
        await asyncio.wait_for(provider.left.wait(), SOON)

    against(lambda: Provider(ANSWERS[api][:3], then="hang"), test)


@pytest.mark.parametrize("api", APIS)
def test_a_provider_that_dies_in_mid_stream_is_an_error(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        answer = await engine.open(to(api, provider))
        events: list[Event | DecodeError] = []
        with pytest.raises(UpstreamError) as died:
            while True:
                events += await answer.read()
                if text_of(events) == "Hel":
                    provider.go.set()
        await answer.aclose()
        assert text_of(events) == "Hel"
        assert died.value.code == "upstream_died"
        assert not [event for event in events if isinstance(event, Finish | End)]

    unfinished = {"openai": 1, "anthropic": 3, "gemini": 1}
    against(lambda: Provider(ANSWERS[api][: unfinished[api]], then="drop"), test)


def test_an_error_in_mid_stream_is_not_the_clients_fault() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        for _ in range(2):
            answer = await engine.open(to("anthropic", provider))
            with pytest.raises(UpstreamError) as reported:
                while True:
                    await answer.read()
            await answer.aclose()
            assert reported.value.status in (502, 503)
            assert "secret answer" not in reported.value.message
            assert "overloaded" in reported.value.message or "in its answer" in reported.value.message
            provider.events = [*provider.events[:-1], error("invalid_request_error")]

    def error(kind: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind, "message": "the secret answer was"}}

    against(lambda: Provider([*ANSWERS["anthropic"][:3], error("overloaded_error")]), test)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "mapped"), [(400, 400), (401, 502), (404, 404), (429, 429), (500, 502), (529, 503)])
def test_a_refusal_keeps_its_class_and_says_nothing_of_litellm(api: str, status: int, mapped: int) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        error = await failing(engine.open(to(api, provider)))
        assert isinstance(error, UpstreamError)
        assert (error.status, error.provider_status) == (mapped, status)
        assert error.retry_after == (7 if mapped in (429, 503) else None)
        if status in (400, 429):
            assert error.message == 'it\'s "so"'
        assert "litellm" not in error.message.lower()
        assert KEY not in error.message

    body = {"error": {"message": 'it\'s "so"', "type": "t", "code": "c"}}
    against(lambda: Provider(status=status, body=body, headers={"retry-after": "7"}), test)


@pytest.mark.parametrize("api", APIS)
def test_nobody_there(api: str) -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        error = await failing(engine.open(to(api, provider, provider={"base_url": "http://127.0.0.1:1"})))
        assert (error.status, error.code) == (502, "connect_error")
        assert "127.0.0.1" not in error.message

    against(Provider, test)


def test_an_empty_stream_is_no_answer() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        try:
            events = await everything(await engine.open(to("openai", provider)))
        except UpstreamError:
            return
        assert text_of(events) == ""

    against(lambda: Provider(["[DONE]"]), test)


def test_tool_calls_and_reasoning() -> None:
    def piece(index: int, arguments: str, **start: Any) -> dict[str, Any]:
        function = {"arguments": arguments, **({"name": start.pop("name")} if start else {})}
        return {"index": index, "function": function, **start}

    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        events = await everything(await engine.open(to("openai", provider)))
        calls = [event for event in events if isinstance(event, ToolCall)]
        assert [(c.index, c.id, c.name) for c in calls if c.id] == [(0, "a", "f"), (1, "b", "g")]
        assert "".join(c.arguments for c in calls if c.index == 0) == '{"x":1}'
        assert [e.text for e in events if isinstance(e, Text) and e.channel == "reasoning"] == ["hm"]
        assert Finish(0, "tool_calls") in events

    chunks = [
        openai_chunk({"role": "assistant", "content": None, "reasoning_content": "hm"}),
        openai_chunk({"tool_calls": [piece(0, "", id="a", type="function", name="f")]}),
        openai_chunk({"tool_calls": [piece(0, '{"x":')]}),
        openai_chunk({"tool_calls": [piece(0, "1}")]}),
        openai_chunk({"tool_calls": [piece(1, "{}", id="b", type="function", name="g")]}),
        openai_chunk({}, "tool_calls"),
        "[DONE]",
    ]
    against(lambda: Provider(chunks), test)


def test_signed_thinking_is_kept() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        events = await everything(await engine.open(to("anthropic", provider)))
        blocks = [e.value for e in events if isinstance(e, Attachment) and e.field == "thinking_blocks"]
        assert "c2ln" in repr(blocks)
        assert [e.text for e in events if isinstance(e, Text) and e.channel == "reasoning" and e.text] == ["hm"]

    thinking = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
        {"type": "content_block_stop", "index": 0},
    ]
    answer = ANSWERS["anthropic"]
    against(lambda: Provider([answer[0], *thinking, *answer[5:]]), test)


def test_a_whole_native_answer() -> None:
    message = {"role": "assistant", "content": "Hello"}
    whole = {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }

    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        answer = await engine.open(to("openai", provider, stream=False, settings={"whole": "native"}))
        events = await everything(answer)
        assert text_of(events) == "Hello"
        assert events[-1] == End("natural")
        assert not provider.bodies[0].get("stream")

    against(lambda: Provider(body=whole), test)


@pytest.mark.parametrize("api", APIS)
def test_a_body_cannot_steer_the_call(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")

    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        steering = {
            name: "http://127.0.0.1:1" for name in ("api_base", "base_url", "api_key", "mock_response", "model_list")
        }
        error = await failing(engine.open(to(api, provider, steering)))
        assert isinstance(error, InvalidRequest)
        assert error.param in steering
        assert provider.heads == []
        steered = to(api, provider, {**steering, "metadata": {"x": "y"}}, settings={"drop_params": True})
        assert text_of(await everything(await engine.open(steered))) == "Hello"
        assert "http://127.0.0.1:1" not in repr(provider.bodies)
        assert KEY in provider.heads[0]

    against(lambda: Provider(ANSWERS[api]), test)


def test_what_litellm_cannot_translate_is_a_400_that_names_it() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        error = await failing(engine.open(to("anthropic", provider, {"n": 2})))
        assert isinstance(error, InvalidRequest)
        assert (error.status, error.param) == (400, "n")
        picture = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}}
        body = {"messages": [{"role": "user", "content": [picture]}]}
        assert isinstance(await failing(engine.open(to("gemini", provider, body))), InvalidRequest)
        assert provider.heads == []

    against(Provider, test)


def test_an_unknown_provider_is_the_operators_affair() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        error = await failing(engine.open(call("litellm", name="no-such-provider")))
        assert (error.status, error.code) == (502, "unknown_provider")

    against(Provider, test)


def test_another_provider_of_litellms() -> None:
    async def test(engine: LiteLLMEngine, provider: Provider) -> None:
        options = {"api_base": provider.url + "/v1"}
        asked = call("litellm", name="deepseek", model="deepseek-chat", provider={"options": options, "base_url": None})
        assert text_of(await everything(await engine.open(asked))) == "Hello"
        assert KEY in provider.heads[0]

    against(lambda: Provider(OPENAI), test)
