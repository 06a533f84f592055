"""Failures as the OpenAI SDK reports them: an exception for each, before and after the first event."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from proxy.simulator import Answer, InjectedFault
from proxy.simulator.answers import FaultKind
from proxy.tasks import spawn
from tests.end_to_end.clients import CHAT, ask, failure_of, sdk, text_of
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, fresh, running

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])

USER: list[Any] = [{"role": "user", "content": "Hi"}]
KEYS = """
auth:
  keys:
    - {{name: narrow, key: narrow-key-0123456789, models: ["openai-*"]}}
"""


@pytest.fixture(scope="module")
async def shared_hasty(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(extra="timeouts: {{first_token: 0.6, idle: 0.6}}") as run:
        yield run


@pytest.fixture
async def hasty(shared_hasty: Running) -> AsyncIterator[Running]:
    """Run a gateway that waits 0.1 s for a first token, and then 0.15 s between chunks."""
    async with fresh(shared_hasty) as run:
        yield run


@pytest.fixture
async def client(run: Running) -> AsyncIterator[AsyncOpenAI]:
    async with sdk(run.url) as client:
        yield client


async def drained(client: AsyncOpenAI, model: str, stream: bool = True, **settings: Any) -> str:
    """Ask, and read the answer to its end: its text."""
    asked: Any = {"model": model, "messages": USER, **settings}
    if not stream:
        return (await client.chat.completions.create(**asked)).choices[0].message.content or ""
    stream_of_chunks = await client.chat.completions.create(**asked, stream=True)
    return "".join([c.choices[0].delta.content or "" async for c in stream_of_chunks if c.choices])


# ---- the provider refuses
class Refusal(NamedTuple):
    """A status of a provider's error, and the result."""

    sent: int
    raised: type[openai.APIStatusError]
    status: int
    code: str | None = None


REFUSALS = [
    Refusal(400, openai.BadRequestError, 400),
    Refusal(401, openai.InternalServerError, 502, "provider_auth_error"),
    Refusal(403, openai.InternalServerError, 502, "provider_auth_error"),
    Refusal(404, openai.NotFoundError, 404, "model_not_found"),
    Refusal(408, openai.APIStatusError, 408),
    Refusal(409, openai.ConflictError, 409),
    Refusal(413, openai.APIStatusError, 413),
    Refusal(422, openai.UnprocessableEntityError, 422),
    Refusal(429, openai.RateLimitError, 429),
    Refusal(500, openai.InternalServerError, 502, "upstream_error"),
    Refusal(503, openai.InternalServerError, 503, "overloaded"),
    Refusal(504, openai.InternalServerError, 504, "upstream_timeout"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.sent))
@both_ways
@each_provider
async def test_a_refusal_raises_the_exception_of_its_class(
    run: Running, client: AsyncOpenAI, provider: str, stream: bool, refusal: Refusal
) -> None:
    fault = InjectedFault("status", status=refusal.sent, retry_after=7, message="No. Try 不同的.")
    run.sim.answers["m"] = Answer(fault=fault)
    with pytest.raises(refusal.raised) as caught:
        await drained(client, f"{provider}-m", stream)
    error = caught.value
    assert error.status_code == refusal.status
    assert "x-should-retry" not in error.response.headers  # the gateway has not tried again, so the SDK may
    assert error.response.headers.get("retry-after") == ("7" if refusal.status in (408, 409, 429, 503) else None)
    assert refusal.code is None or error.code == refusal.code
    assert ("No. Try 不同的." in error.message) == (refusal.sent in (400, 408, 409, 413, 422, 429))
    assert isinstance(error.body, dict) and set(error.body) == {"message", "type", "param", "code"}
    record = await run.recorded()
    assert (record.status, record.provider_status) == (refusal.status, refusal.sent)
    assert record.outcome == {400: "refused", 504: "timeout"}.get(refusal.sent, "upstream_error")


@pytest.mark.parametrize("after", [None, 0], ids=["before the head", "before the first event"])
@pytest.mark.parametrize("kind", ["drop", "reset"])
@both_ways
@each_provider
async def test_a_provider_that_cuts_the_connection_is_a_502(
    run: Running, client: AsyncOpenAI, provider: str, stream: bool, kind: FaultKind, after: int | None
) -> None:
    run.sim.answers["m"] = Answer(fault=InjectedFault(kind, after=after))
    with pytest.raises(openai.InternalServerError) as caught:
        await drained(client, f"{provider}-m", stream)
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_died")
    assert "x-should-retry" not in caught.value.response.headers  # the gateway has not tried again, so the SDK may


@pytest.mark.parametrize(
    "told",
    [
        Refusal(400, openai.BadRequestError, 400),
        Refusal(429, openai.RateLimitError, 429),
        Refusal(500, openai.InternalServerError, 502),
    ],
    ids=lambda told: str(told.sent),
)
@both_ways
@each_provider
async def test_an_error_event_before_any_text_is_still_a_status(
    run: Running, client: AsyncOpenAI, provider: str, stream: bool, told: Refusal
) -> None:
    run.sim.answers["m"] = Answer(fault=InjectedFault("error", after=0, status=told.sent, message="No. Try 不同的."))
    with pytest.raises(told.raised, match=r"No\. Try 不同的\.") as caught:
        await drained(client, f"{provider}-m", stream)
    kinds = {400: "invalid_request_error", 429: "rate_limit_error"}
    assert (caught.value.status_code, caught.value.type) == (told.status, kinds.get(told.sent, "server_error"))


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
async def test_an_overloaded_event_is_a_503(run: Running, client: AsyncOpenAI, provider: str) -> None:
    run.sim.answers["m"] = Answer(fault=InjectedFault("error", after=0, status=503))
    with pytest.raises(openai.InternalServerError) as caught:
        await drained(client, f"{provider}-m")
    assert caught.value.status_code == 503


@both_ways
@each_provider
async def test_a_provider_that_says_nothing_in_time_is_a_504(hasty: Running, provider: str, stream: bool) -> None:
    async with sdk(hasty.url) as client:
        for after in (None, 0):
            hasty.sim.answers["m"] = Answer("Hello", fault=InjectedFault("stall", after=after))
            with pytest.raises(openai.InternalServerError) as caught:
                await drained(client, f"{provider}-m", stream)
            assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
            assert "timeouts.first_token" in caught.value.message
            await (await hasty.sim.next_call()).left()
        assert (await hasty.recorded(2)).outcome == "timeout"


async def test_a_provider_that_is_not_there_is_a_502(anyio_backend: object) -> None:
    async with running(CONFIG.replace("{url}", "http://127.0.0.1:1")) as run, sdk(run.url) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await drained(client, "openai-m")
    assert (caught.value.status_code, caught.value.code) == (502, "connect_error")
    assert "127.0.0.1:1" not in caught.value.message


# ---- the provider fails in mid-stream
FAILURES = {
    "an error event": InjectedFault("error", after=3, status=529, message="Overloaded 過載"),
    "a closed connection": InjectedFault("drop", after=3),
    "a reset connection": InjectedFault("reset", after=3),
    "an end without an end": InjectedFault("eof", after=3),
    "an event that is no JSON": InjectedFault("malformed", after=3),
}


LOSES = ("a closed connection", "a reset connection")
"""Failures that may overtake the bytes before them."""


def is_text_before(failure: str, text: str) -> bool:
    return text == "one two thre" or (failure in LOSES and text != "" and "one two thre".startswith(text))


@pytest.mark.parametrize("failure", FAILURES)
@each_provider
async def test_a_failure_in_mid_stream_raises_after_the_text_so_far(
    run: Running, client: AsyncOpenAI, provider: str, failure: str
) -> None:
    run.sim.answers["m"] = Answer("one two three four ", chunk=4, pace=0.02, fault=FAILURES[failure])
    texts: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        async for chunk in await client.chat.completions.create(model=f"{provider}-m", messages=USER, stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert is_text_before(failure, "".join(texts))
    assert not isinstance(caught.value, openai.APIStatusError) and caught.value.message
    assert (await run.recorded()).outcome == "upstream_error"


@pytest.mark.parametrize("failure", FAILURES)
@each_provider
async def test_a_failed_stream_ends_in_an_error_event_and_no_done(
    run: Running, http: httpx.AsyncClient, provider: str, failure: str
) -> None:
    run.sim.answers["m"] = Answer("one two three four ", chunk=4, pace=0.02, fault=FAILURES[failure])
    response = await http.post(CHAT, json=ask(f"{provider}-m", stream=True))
    chunks, error = failure_of(response.text)
    assert response.status_code == 200
    assert is_text_before(failure, text_of(chunks))
    assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])
    assert error["message"] and error["type"] == "server_error" and error["code"]
    assert ("Overloaded 過載" in error["message"]) == (failure == "an error event")
    assert "[DONE]" not in response.text


@pytest.mark.parametrize("failure", FAILURES)
@each_provider
async def test_a_whole_answer_that_fails_is_an_error_without_a_part_of_it(
    run: Running, client: AsyncOpenAI, provider: str, failure: str
) -> None:
    run.sim.answers["m"] = Answer("one two three four ", chunk=4, pace=0.005, fault=FAILURES[failure])
    with pytest.raises(openai.InternalServerError) as caught:
        await drained(client, f"{provider}-m", stream=False)
    assert "one two" not in caught.value.response.text
    assert "x-should-retry" not in caught.value.response.headers  # the gateway has not tried again, so the SDK may
    assert (await run.recorded()).outcome == "upstream_error"


@each_provider
async def test_a_provider_that_stalls_in_mid_stream_is_an_error_event(hasty: Running, provider: str) -> None:
    async with sdk(hasty.url) as client:
        hasty.sim.answers["m"] = Answer("one two three four ", chunk=4, fault=InjectedFault("stall", after=3))
        with pytest.raises(openai.APIError, match=r"timeouts\.idle"):
            await drained(client, f"{provider}-m")
        await (await hasty.sim.next_call()).left()
        assert (await hasty.recorded()).outcome == "timeout"


# ---- the request is at fault
async def test_an_unknown_model_is_not_found_and_told_what_is_close(anyio_backend: object) -> None:
    models = "models: {{gpt-4o-mini: {{target: openai/m}}, claude: {{target: openai/m}}}}\n"
    config = CONFIG.partition("models:")[0] + models
    async with running(config) as run, sdk(run.url) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await drained(client, "gpt-4o-mimi")
        assert not run.sim.calls
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    assert "'gpt-4o-mini'" in caught.value.message and "claude" not in caught.value.message


async def test_a_wrong_parameter_is_a_bad_request_that_names_it(run: Running, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await drained(client, "openai-m", temperature="warm")
    assert (caught.value.param, caught.value.code) == ("temperature", "invalid_type")
    assert "x-should-retry" not in caught.value.response.headers
    assert not run.sim.calls


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
async def test_a_parameter_that_the_provider_lacks_is_a_bad_request_unless_dropped(provider: str) -> None:
    dropping = f"  drops: {{{{target: {provider}/m, drop_params: true}}}}\n"
    async with running(extra=dropping) as run, sdk(run.url) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await drained(client, f"{provider}-m", logit_bias={"1": 5})
        assert caught.value.param == "logit_bias"
        assert not run.sim.calls
        run.sim.answers["m"] = Answer("Hello")
        assert await drained(client, "drops", logit_bias={"1": 5}) == "Hello"


async def test_a_body_that_is_too_large_is_a_413(anyio_backend: object) -> None:
    async with running(CONFIG.replace("port: 0", "port: 0, max_body_mb: 0.001")) as run, sdk(run.url) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            await drained(client, "openai-m", user="x" * 2000)
        assert not run.sim.calls
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")


async def test_keys_raise_the_sdks_own_exceptions(anyio_backend: object) -> None:
    async with running(extra=KEYS) as run:
        async with sdk(run.url, "no-such-key-0123456789") as stranger:
            with pytest.raises(openai.AuthenticationError) as unknown:
                await drained(stranger, "openai-m")
        async with sdk(run.url, "narrow-key-0123456789") as narrow:
            with pytest.raises(openai.PermissionDeniedError) as forbidden:
                await drained(narrow, "gemini-m")
        assert not run.sim.calls
    assert unknown.value.code == "invalid_api_key"
    assert (forbidden.value.code, forbidden.value.param) == ("model_not_allowed", "model")


async def test_too_many_streams_are_shed_with_a_time_to_come_back(anyio_backend: object) -> None:
    async with running(CONFIG.replace("port: 0", "port: 0, max_streams: 1")) as run, sdk(run.url) as client:
        run.sim.answers["m"] = Answer(fault=InjectedFault("stall"))
        first = spawn(drained(client, "openai-m"))
        await run.sim.next_call()
        with pytest.raises(openai.InternalServerError) as caught:
            await drained(client, "openai-m")
        assert (caught.value.status_code, caught.value.code) == (503, "overloaded")
        assert caught.value.response.headers["retry-after"] == "1"
        assert (await run.recorded()).outcome == "shed"
        first.cancel()
        assert (await run.recorded(2)).outcome == "client_cancelled"
