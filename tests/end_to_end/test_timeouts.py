"""A provider that is too slow: the limits of `timeouts`, each with its error, its outcome, and a closed provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.end_to_end.leaving import FLOOD, MATRIX_CONFIG, PROVIDERS, SMALL, shrink_send_buffers
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import Response, chat, client, responses, until

pytestmark = pytest.mark.anyio

SILENT = ("head-60000", "first-60000")


@pytest.fixture(scope="module")
async def shared(litellm_used: None) -> AsyncIterator[Running]:
    async with running(MATRIX_CONFIG, "timeouts: {{first_token: 0.6, idle: 0.6}}") as run:
        yield run


@asynccontextmanager
async def limited(limits: str) -> AsyncIterator[Running]:
    async with running(MATRIX_CONFIG, f"timeouts: {{{{{limits}}}}}") as run:
        shrink_send_buffers(run)
        yield run


async def ask(run: Running, model: str, *, stream: bool) -> Response:
    """Return the response of a request that must fail with a timeout, with its provider closed."""
    async with client(run.port) as asker:
        await asker.send(chat(model, stream=stream))
        response = await asker.response()
    call = await run.sim.next_call()
    await call.left()
    record = await run.recorded()
    assert (record.outcome, record.error, record.status) == ("timeout", "upstream_timeout", response.status)
    assert not run.gateway.streams
    return response


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("silence", SILENT)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_first_token_that_is_late_is_a_504(run: Running, provider: str, silence: str, stream: bool) -> None:
    response = await ask(run, f"{provider}-sim-chat.{silence}", stream=stream)
    assert (response.status, response.error["code"]) == (504, "upstream_timeout")
    assert "timeouts.first_token" in response.error["message"]
    assert "x-should-retry" not in response.headers  # the gateway has not tried again, so the SDK may


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stall_in_mid_stream_is_an_error_event_and_no_done(run: Running, provider: str) -> None:
    response = await ask(run, f"{provider}-sim-chat.after-3-stall", stream=True)
    assert response.status == 200 and response.text
    assert (response.error["code"], response.error["type"]) == ("upstream_timeout", "server_error")
    assert "timeouts.idle" in response.error["message"]
    assert b"[DONE]" not in response.body


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stall_in_a_whole_answer_is_a_504(run: Running, provider: str) -> None:
    response = await ask(run, f"{provider}-sim-chat.after-3-stall", stream=False)
    assert response.status == 504 and "timeouts.idle" in response.error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_without_end_is_ended_by_the_total(stream: bool) -> None:
    async with limited("total: 0.3") as run:
        response = await ask(run, "openai-sim-long.pace-20", stream=stream)
    assert response.status == (200 if stream else 504)
    assert "timeouts.total" in response.error["message"]
    assert b"[DONE]" not in response.body


async def test_the_total_ends_an_answer_whose_client_does_not_read() -> None:
    """The error cannot be sent either, so the write limit then drops the client."""
    async with limited("total: 1, write: 0.3") as run, client(run.port, receive_buffer=SMALL) as reader:
        run.sim.answers["flood"] = FLOOD
        await reader.send(chat("openai-flood"))
        call = await run.sim.next_call()
        await call.left()
        assert (await run.recorded()).outcome in ("timeout", "client_timeout")
        await until(lambda: not run.server.server_state.connections)
        [response] = responses(await reader.rest())
        assert not response.complete


async def test_silence_of_a_provider_is_told_to_the_client_in_comments() -> None:
    config = MATRIX_CONFIG.replace("port: 0", "port: 0, keep_alive: 0.05")
    async with running(config, "timeouts: {{first_token: 0.6}}") as run:
        response = await ask(run, "openai-sim-chat.first-60000", stream=True)
    assert response.status == 200  # it was told with the first comment
    assert response.body.startswith(b": keep-alive\n\n: keep-alive\n\n")
    assert response.error["code"] == "upstream_timeout" and b"[DONE]" not in response.body
