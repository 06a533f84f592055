"""Hostile providers: one matrix for the native engine and for LiteLLM's, for streams and whole answers."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.end_to_end.hostile import BEHIND, FAULTS, FORMS, SILENCES, Provider, Row, hostile, redirect
from tests.end_to_end.running import Running, running
from tests.end_to_end.wire import Response, chat, client, until

pytestmark = pytest.mark.anyio

ENGINES = ("native", "litellm", "deepseek")
"""Our own engine, LiteLLM's with the OpenAI SDK in it, and LiteLLM's own HTTP client, which its other providers use."""

MAX_GROWTH = 200 * 2**10
"""Maximum growth of the process in KiB. A compressed gibibyte would be five times as large."""

CONFIG = """
server: {{{{port: 0, drain_seconds: 0, max_answer_mb: 2}}}}
retries: {{{{attempts: 1, cooldown: {{{{failures: 1000000}}}}}}}}
timeouts: {{{{{timeouts}}}}}
providers:
  native: {{{{api: openai, api_key: provider-key, base_url: "{url}/v1"}}}}
  litellm: {{{{api: openai, api_key: provider-key, base_url: "{url}/v1"}}}}
  deepseek: {{{{api: litellm, api_key: provider-key, options: {{{{api_base: "{url}/v1"}}}}}}}}
models:
  native: {{{{target: native/m}}}}
  litellm: {{{{target: litellm/m, engine: litellm}}}}
  deepseek: {{{{target: deepseek/m}}}}
  native-whole: {{{{target: native/m, whole: native}}}}
  litellm-whole: {{{{target: litellm/m, engine: litellm, whole: native}}}}
  deepseek-whole: {{{{target: deepseek/m, whole: native}}}}
"""


@asynccontextmanager
async def between(provider: Provider, timeouts: str = "") -> AsyncIterator[Running]:
    async with running(CONFIG.format(url=provider.url, timeouts=timeouts)) as run:
        yield run


@pytest.fixture(scope="module")
async def provider(litellm_used: None) -> AsyncIterator[Provider]:
    async with hostile() as provider:
        yield provider


@pytest.fixture(scope="module")
async def patient(provider: Provider) -> AsyncIterator[Running]:
    async with between(provider) as run:
        yield run


@pytest.fixture(scope="module")
async def hasty(provider: Provider) -> AsyncIterator[Running]:
    async with between(provider, "first_token: 0.4, idle: 0.4, total: 1.2") as run:
        yield run


@pytest.fixture
def bounded() -> Iterator[None]:
    """The process does not grow by more than it may."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MAX_GROWTH


def cases(rows: tuple[Row, ...]) -> list[object]:
    return [pytest.param(row, form, id=f"{row.name}-{form}") for row in rows for form in row.forms]


async def asked(run: Running, engine: str, form: str) -> Response:
    model = f"{engine}-whole" if form == "whole" else engine
    async with client(run.port) as asker:
        await asker.send(chat(model, stream=form == "streamed"))
        return await asker.response(15)


async def told(run: Running, provider: Provider, engine: str, row: Row, form: str) -> Response:
    """Return the response to a request that must fail as `row` says, with its provider closed."""
    provider.play, provider.sent, provider.gone = row.play, 0, asyncio.Event()
    response = await asked(run, engine, form)
    begun = row.begun and form == "streamed"
    assert (response.status, response.error["code"]) == (200 if begun else row.status, row.code)
    assert row.message in response.error["message"] and len(response.error["message"]) < 2000
    assert b"[DONE]" not in response.body and b"provider-key" not in response.body
    assert not begun or response.text.startswith("Hello")
    if not row.over:
        async with asyncio.timeout(5):
            await provider.gone.wait()
    assert provider.sent < row.most
    await until(lambda: not run.gateway.streams)
    return response


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("row", "form"), cases(FAULTS))
async def test_harm_is_an_error_of_bounded_cost_and_its_connection_is_closed(
    patient: Running, provider: Provider, bounded: None, engine: str, row: Row, form: str
) -> None:
    await told(patient, provider, engine, row, form)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("row", "form"), cases(SILENCES))
async def test_each_limit_of_time_ends_a_provider_that_keeps_its_client_waiting(
    hasty: Running, provider: Provider, bounded: None, engine: str, row: Row, form: str
) -> None:
    await told(hasty, provider, engine, row, form)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", FORMS)
async def test_a_provider_that_takes_no_connection_is_given_up_in_time(
    litellm_used: None, engine: str, form: str
) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            provider = Provider(redirect(307, ""), f"http://127.0.0.1:{port}")
            async with between(provider, "connect: 0.2") as run:
                response = await asked(run, engine, form)
    assert (response.status, response.error["code"]) == (504, "connect_timeout")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_no_key_to_another_host(
    patient: Running, provider: Provider, engine: str, form: str, status: int
) -> None:
    async with hostile() as elsewhere:
        provider.play = redirect(status, f"{elsewhere.url}/v1/chat/completions")
        response = await asked(patient, engine, form)
        assert (response.status, response.error["code"]) == (502, "upstream_redirect")
        assert not elsewhere.connections


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stray", BEHIND)
async def test_what_comes_behind_an_answer_is_in_no_other_answer(
    litellm_used: None, engine: str, form: str, stray: str
) -> None:
    async with hostile() as provider, between(provider) as run:
        provider.play = BEHIND[stray]
        for _ in range(3):
            response = await asked(run, engine, form)
            text = response.text if form == "streamed" else response.json["choices"][0]["message"]["content"]
            assert (response.status, text) == (200, "Hello")
        assert (provider.connections, provider.requests) == (3, 3)
