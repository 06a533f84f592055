"""Every unnatural end of an answer, at every position inside a secret: no part of the secret is sent.

Each answer breaks off inside the secret in all its texts at once: content, reasoning, refusal, a tool call's arguments,
and two choices if the provider supports them. The client's text is therefore known to the character: the text before
the secret, alone or with the whole label.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import product
from typing import Any

import pytest

from proxy.simulator import Answer, InjectedFault, ToolUse
from proxy.simulator.answers import FaultKind
from proxy.simulator.asks import Ask
from tests.end_to_end.leaks import (
    CUTS,
    REDACTION,
    SECRETS,
    Cut,
    answered,
    assert_hidden,
    model_of,
    policies,
    said,
    together,
    yaml,
)
from tests.end_to_end.running import CONFIG, PROVIDERS, Running, running
from tests.end_to_end.wire import Client, Response, chat, client, post, responses, until

pytestmark = pytest.mark.anyio
each_provider = pytest.mark.parametrize("provider", PROVIDERS)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])

BEFORE, BEFORE_IN_JSON = "To ", '{"to": "To '
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
LIMIT = 4
"""Seconds for a busy machine to request all answers of a test and receive their beginnings."""
NEVER = 10_000
"""Number of pieces after which a fault comes after all of them."""

CAPS: dict[str, dict[str, Any]] = {
    "tokens": {"token_cap/tokens": {"max_tokens": 5}},
    "chunks": {"token_cap/chunks": {"max_chunks": 6}},
    "cost": {"cost_cap/cost": {"max_usd": 0.004}},
}
"""Each is met by sixty words."""
TIGHT: dict[str, dict[str, Any]] = {
    **{f"tokens{most}": {f"token_cap/tokens{most}": {"max_tokens": most}} for most in range(1, 18)},
    **{f"chunks{most}": {f"token_cap/chunks{most}": {"max_chunks": most}} for most in range(1, 25, 2)},
    **{f"cost{most}": {f"cost_cap/cost{most}": {"max_usd": 0.0001 * most}} for most in range(2, 40, 3)},
}
"""Caps that end an answer of some sixty characters early, in turn."""
ENDING: dict[str, dict[str, Any]] = {
    "blocked": {"redact/seven": {"rules": [{"name": "seven", "regex": "7", "action": "block"}]}},
    "seconds": {"token_cap/seconds": {"max_seconds": LIMIT}},
    **CAPS,
    **TIGHT,
}
"""Policies that end answers, by the prefix of the models that have them."""
MODELS = "".join(model_of(prefix, p, (*REDACTION, *ENDING[prefix])) for prefix in ENDING for p in PROVIDERS)
MODELS += "".join(model_of("native", p, REDACTION, whole="native") for p in PROVIDERS)
REST = policies({name: config for policy in ENDING.values() for name, config in policy.items()}) + yaml(
    prices={"*": {"input": 10, "output": 100}}
)


@pytest.fixture(scope="module")
async def shared(anyio_backend: object) -> AsyncIterator[Running]:
    async with running(CONFIG + MODELS, REST) as run:
        yield run


def choices_of(provider: str) -> int:
    return 1 if provider == "anthropic" else 2


def asking(provider: str) -> dict[str, Any]:
    """Return the request's members that all texts of `broken_off` need."""
    return {"n": choices_of(provider)} | ({} if provider == "gemini" else {"tools": TOOLS})


def broken_off(cut: Cut, provider: str, **how: Any) -> Answer:
    """Make an answer that says a secret's beginning in every text.

    Gemini sends calls whole. Only OpenAI has a refusal.
    """
    begun = f"{BEFORE}{cut.begun}"
    return Answer(
        begun,
        reasoning=begun,
        refusal=begun if provider == "openai" else "",
        tools=() if provider == "gemini" else (ToolUse("f", BEFORE_IN_JSON + json.dumps(cut.begun)[1:-1]),),
        chunk=7,
        batch=NEVER,
        **how,
    )


def places_of(provider: str) -> dict[str, str]:
    """Return the start of each text of `broken_off`, up to the secret."""
    of_choice = {"content": BEFORE, "reasoning_content": BEFORE}
    of_choice |= {"refusal": BEFORE} if provider == "openai" else {}
    of_choice |= {"tool_calls.0.function.arguments": BEFORE_IN_JSON} if provider != "gemini" else {}
    return {f"{choice}.{place}": text for choice in range(choices_of(provider)) for place, text in of_choice.items()}


def assert_nothing_of(cut: Cut, response: Response, provider: str, *, nothing: bool = False) -> None:
    """Assert that the client got all text before the secret and none of it. With `nothing`, it got no text at all."""
    assert_hidden(response.body, [cut.secret])
    got, before = said(response), {} if nothing else places_of(provider)
    assert got.keys() == before.keys(), (cut, response.status, bytes(response.body[:500]))
    for place, text in before.items():
        assert got[place] in (text, text + cut.secret.label), (cut, place)


async def each_cut(run: Running, provider: str, stream: bool, how: dict[str, Any], prefix: str = "") -> list[Response]:
    """The responses to answers that break off at each cut."""

    def one(cut: Cut) -> Coroutine[Any, Any, Response]:
        run.sim.answers[cut.name] = broken_off(cut, provider, **how)
        return answered(run, f"{prefix}{provider}-{cut.name}", stream, **asking(provider))

    return await together(map(one, CUTS))


# ---- the provider's ends
@both_ways
@each_provider
@pytest.mark.parametrize("kind", ["drop", "reset", "error", "eof"])
async def test_an_answer_that_breaks(run: Running, kind: FaultKind, provider: str, stream: bool) -> None:
    """The break comes a little after the text, and the client has most of the text by then."""
    how = {"pace": 0.005, "fault": InjectedFault(kind, after=NEVER)}
    responded = await each_cut(run, provider, stream, how)
    for cut, response in zip(CUTS, responded, strict=True):
        assert_nothing_of(cut, response, provider, nothing=response.status != 200)
        assert "message" in response.error and b"[DONE]" not in response.body
    assert any(response.status == 200 for response in responded) == stream


@both_ways
@each_provider
@pytest.mark.parametrize("kind", ["drop", "error"])
async def test_an_answer_that_breaks_as_its_text_comes(
    run: Running, kind: FaultKind, provider: str, stream: bool
) -> None:
    """The gateway reads the break together with the text, before the client got anything."""
    responded = await each_cut(run, provider, stream, {"fault": InjectedFault(kind, after=NEVER)})
    for cut, response in zip(CUTS, responded, strict=True):
        assert_nothing_of(cut, response, provider, nothing=response.status != 200)
        assert "message" in response.error and b"[DONE]" not in response.body


@both_ways
@each_provider
async def test_the_providers_own_limit(run: Running, provider: str, stream: bool) -> None:
    for cut, response in zip(CUTS, await each_cut(run, provider, stream, {"finish": "length"}), strict=True):
        assert response.status == 200
        assert_nothing_of(cut, response, provider)
        assert b'"finish_reason":"length"' in response.body


@both_ways
@each_provider
async def test_the_providers_own_filter(run: Running, provider: str, stream: bool) -> None:
    for cut, response in zip(CUTS, await each_cut(run, provider, stream, {"finish": "content_filter"}), strict=True):
        assert_nothing_of(cut, response, provider)
        assert b'"finish_reason":"content_filter"' in response.body


@each_provider
@pytest.mark.parametrize("finish", ["length", "content_filter"])
async def test_a_whole_answer_of_the_provider_that_was_cut(run: Running, finish: Any, provider: str) -> None:
    for cut in CUTS:
        begun = f"{BEFORE}{cut.begun}"
        run.sim.answers[cut.name] = Answer(begun, reasoning=begun, finish=finish)
    asked = (answered(run, f"native-{provider}-{cut.name}", False) for cut in CUTS)
    for cut, response in zip(CUTS, await together(asked), strict=True):
        got = said(response)
        assert got.keys() == {"0.content", "0.reasoning_content"}
        assert all(text in (BEFORE, BEFORE + cut.secret.label) for text in got.values()), cut
        assert finish.encode() in response.body


# ---- the gateway's ends
@both_ways
@pytest.mark.parametrize("limit", ["idle", "total"])
async def test_a_timeout(anyio_backend: object, limit: str, stream: bool) -> None:
    async with (
        running(CONFIG, policies() + yaml(timeouts={limit: LIMIT})) as run,
        silent(run, PROVIDERS, stream) as ended,
    ):
        for cut, provider, asker in ended:
            response = await asker.response(seconds=10)
            assert response.status == 200 if stream else response.status == 504
            assert f"timeouts.{limit}" in response.error["message"]
            assert_nothing_of(cut, response, provider, nothing=not stream)


@both_ways
async def test_a_cap_in_seconds(run: Running, stream: bool) -> None:
    async with silent(run, PROVIDERS, stream, "seconds-") as ended:
        for cut, provider, asker in ended:
            response = await asker.response(seconds=10)
            assert_nothing_of(cut, response, provider)
            assert b'"finish_reason":"length"' in response.body


@both_ways
async def test_a_drain(anyio_backend: object, stream: bool) -> None:
    async with running(CONFIG, policies()) as run, silent(run, PROVIDERS, stream) as ended:
        run.server.should_exit = True
        for cut, provider, asker in ended:
            [response] = responses(await asker.rest())
            assert response.error["code"] == "shutting_down"
            assert_nothing_of(cut, response, provider, nothing=not stream)


# ---- the client's ends
@both_ways
async def test_a_cancel(run: Running, stream: bool) -> None:
    async with silent(run, PROVIDERS, stream) as ended:
        await together(cancel(run, id) for id in list(run.gateway.streams._running))
        for cut, provider, asker in ended:
            response = await asker.response(seconds=10)
            assert response.status == 200 and b'"finish_reason":"length"' in response.body
            assert not stream or response.events[-1] == "[DONE]"
            assert_nothing_of(cut, response, provider)


async def cancel(run: Running, id: str) -> None:
    async with client(run.port) as canceller:
        await canceller.send(post(f"/v1/chat/completions/{id}/cancel", b""))
        assert (await canceller.response()).status == 200


async def test_a_client_that_leaves(run: Running) -> None:
    """It closes only its sending side, so that the gateway's later output is seen too."""
    async with silent(run, PROVIDERS, True) as ended:
        for cut, provider, asker in ended:
            asker.half_close()
            [response] = responses(await asker.rest())
            assert_nothing_of(cut, response, provider)
        await run.recorded(len(ended))
        assert {record.outcome for record in run.records} == {"client_cancelled"}


@asynccontextmanager
async def silent(
    run: Running, providers: Sequence[str], stream: bool, prefix: str = ""
) -> AsyncIterator[list[tuple[Cut, str, Client]]]:
    """Return clients whose providers fell silent inside a secret, one for each cut, after reading all previous text."""
    for cut in CUTS:
        run.sim.answers[cut.name] = partial(_silent_at, cut)
    async with AsyncExitStack() as stack:
        asked = []
        for provider, cut in product(providers, CUTS):
            asker = await stack.enter_async_context(client(run.port))
            await asker.send(chat(f"{prefix}{provider}-{cut.name}", stream=stream, **asking(provider)))
            asked.append((cut, provider, asker))
        await until(lambda: len(run.sim.calls) == len(asked) and all(call.chunks_sent for call in run.sim.calls), LIMIT)
        if stream:
            await asyncio.gather(*(asker.until(b'"To ') for _, _, asker in asked))
        else:
            await answered(run, f"{providers[0]}-sim-chat", True)  # what came before this has been read
        run.records.clear()
        yield asked


def _silent_at(cut: Cut, ask: Ask) -> Answer:
    return broken_off(cut, ask.provider, fault=InjectedFault("stall", after=NEVER))


# ---- the policies' ends
@both_ways
@each_provider
async def test_a_block_inside_the_secret(run: Running, provider: str, stream: bool) -> None:
    """A blocked seven stands in the secret, and does not end it."""
    cuts = [cut for cut in CUTS if cut.secret.name in ("email", "key")]
    for cut in cuts:
        run.sim.answers[cut.name] = Answer(f"{BEFORE}{cut.begun}7{cut.secret.text[cut.length :]} and more", chunk=1)
    asked = (answered(run, f"blocked-{provider}-{cut.name}", stream) for cut in cuts)
    for cut, response in zip(cuts, await together(asked), strict=True):
        assert said(response)["0.content"] in (BEFORE, BEFORE + cut.secret.label), cut
        assert b'"finish_reason":"content_filter"' in response.body


@both_ways
@each_provider
async def test_a_block_while_a_secret_is_held_in_the_thoughts(run: Running, provider: str, stream: bool) -> None:
    responded = await thinking_of(run, "blocked", "Say 7.", provider, stream)
    for cut, response in zip(CUTS, responded, strict=True):
        assert_thought_nothing_of(cut, response)
        assert said(response)["0.content"] == "Say "
        assert b'"finish_reason":"content_filter"' in response.body


@both_ways
@each_provider
@pytest.mark.parametrize("cap", CAPS)
async def test_a_cap_while_a_secret_is_held_in_the_thoughts(
    run: Running, cap: str, provider: str, stream: bool
) -> None:
    responded = await thinking_of(run, cap, "word " * 60, provider, stream)
    for cut, response in zip(CUTS, responded, strict=True):
        assert_thought_nothing_of(cut, response)
        assert "word word " in said(response)["0.content"] + " "
        assert b'"finish_reason":"length"' in response.body


async def thinking_of(run: Running, prefix: str, text: str, provider: str, stream: bool) -> list[Response]:
    """Return responses to answers whose thoughts break off inside a secret, and whose text makes a policy end them."""
    for cut in CUTS:
        run.sim.answers[cut.name] = Answer(text, reasoning=f"{BEFORE}{cut.begun}", chunk=5)
    return await together(answered(run, f"{prefix}-{provider}-{cut.name}", stream) for cut in CUTS)


def assert_thought_nothing_of(cut: Cut, response: Response) -> None:
    assert response.status == 200
    assert said(response)["0.reasoning_content"] in (BEFORE, BEFORE + cut.secret.label), cut
    assert_hidden(response.body, [cut.secret])


@both_ways
@each_provider
async def test_a_cap_in_the_middle_of_what_stands_for_a_secret(run: Running, provider: str, stream: bool) -> None:
    """Wherever a cap cuts, the client gets the beginning of the redacted answer."""
    for secret in SECRETS:
        run.sim.answers[f"all-{secret.name}"] = Answer(f"{BEFORE}{secret.text} and one two three four, bye", chunk=1)
    cases = [(secret, cap) for secret in SECRETS for cap in TIGHT]
    asked = (answered(run, f"{cap}-{provider}-all-{secret.name}", stream) for secret, cap in cases)
    lengths = set()
    for (secret, cap), response in zip(cases, await together(asked), strict=True):
        got = said(response).get("0.content", "") if response.status == 200 else ""
        redacted = f"{BEFORE}{secret.label} and one two three four, bye"
        assert redacted.startswith(got), (secret, cap)
        assert_hidden(response.body, [secret])
        lengths.add(len(got))
    assert len(lengths) > 15
