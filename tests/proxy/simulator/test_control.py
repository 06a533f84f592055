"""The remote control over HTTP: it reads and drops calls, and sets answers."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from proxy.access.origin import check_origin
from proxy.config.load import parse
from proxy.errors import Forbidden
from proxy.simulator import Answer, InjectedFault, Simulator

pytestmark = pytest.mark.anyio

GATEWAY = parse("providers: {openai: {api_key: k}}\nmodels: {m: {target: openai/m}}\n")
"""A gateway without keys, whose rule for `Host` is the simulator's."""


async def test_calls_are_told_with_wall_clock_times_and_without_keys(
    sim: Simulator, http: httpx.AsyncClient, post: Callable[..., Any], connect: Callable[[], Awaitable[Any]]
) -> None:
    before = time.time()
    wire = await connect()
    wire.writer.write(post("anthropic", "sim.after-1-stall").wire)
    call = await sim.next_call()
    await wire.until(b"Hell")
    wire.writer.close()
    await call.left()
    response = await http.get("/_sim/calls")
    told = response.json()["calls"][-1]
    assert (told["provider"], told["model"], told["outcome"]) == ("anthropic", "sim.after-1-stall", "client_left")
    assert (told["chunks_sent"], told["text_sent"], told["body"]["max_tokens"]) == (1, "Hell", 4096)
    assert before - 1 <= told["started"] <= told["first_byte"] <= told["client_left"] <= time.time() + 1
    assert told["headers"]["x-api-key"] == "***" and told["headers"]["anthropic-version"] == "2023-06-01"


async def test_the_last_calls_are_told_and_forgotten(
    sim: Simulator, http: httpx.AsyncClient, post: Callable[..., Any]
) -> None:
    for _ in range(3):
        await http.post(**post("openai").arguments)
    assert [call["number"] for call in (await http.get("/_sim/calls?last=2")).json()["calls"]] == [2, 3]
    assert (await http.delete("/_sim/calls")).status_code == 200
    assert (await http.get("/_sim/calls")).json()["calls"] == [] == list(sim.calls)
    assert (await http.get("/_sim/calls?last=x")).status_code == 400


async def test_answers_are_set_in_order_or_one_and_taken_away(sim: Simulator, http: httpx.AsyncClient) -> None:
    given = {
        "a": {"text": "hi", "fault": {"kind": "drop", "after": 2}},
        "b": [{"text": "1"}, {"tools": [{"name": "f"}]}],
    }
    assert (await http.post("/_sim/answers", json=given)).json() == {"models": ["a", "b"]}
    assert sim.answers["a"] == Answer("hi", fault=InjectedFault("drop", after=2))
    await http.post("/_sim/answers", json={"a": None})
    assert sim.answers.keys() == {"b"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "POST an object"),
        ({"a": {"txt": "hi"}}, "txt"),
        ({"a": {"text": "hi"}, "b": {"pace": "fast"}}, "pace"),
        ({"a": {"pace": -1}}, "0 or more"),
    ],
)
async def test_a_wrong_answer_is_refused_and_none_is_set(
    sim: Simulator, http: httpx.AsyncClient, given: Any, says: str
) -> None:
    response = await http.post("/_sim/answers", json=given)
    assert response.status_code == 400 and says in response.json()["error"]
    assert sim.answers == {}


@pytest.mark.parametrize("path", ["/_sim/answers", "/v1/chat/completions", "/v1/messages"])
async def test_web_pages_are_refused(sim: Simulator, http: httpx.AsyncClient, path: str) -> None:
    response = await http.post(path, json={"a": {}}, headers={"origin": "http://evil.example"})
    assert response.status_code == 403 and sim.answers == {} and not list(sim.calls)


async def test_the_start_page_lists_models_and_options(http: httpx.AsyncClient) -> None:
    page = (await http.get("/")).json()
    assert "sim-chat" in page["models"] and "milliseconds" in page["options"]["pace"]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8089", True),
        ("LOCALHOST", True),
        ("[::1]:1", True),
        ("a.localhost", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example:80", False),
        ("192.168.0.3", False),
        ("2130706433", False),
        ("user@localhost", False),
        ("127.0.0.2", True),
        ("0.0.0.0", False),
        ("localhost.", False),
        ("", False),
    ],
)
async def test_it_answers_to_loopback_names_only_as_the_gateway_does(
    http: httpx.AsyncClient, host: str, allowed: bool
) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/_sim/calls"),
        ("DELETE", "/_sim/calls"),
        ("POST", "/_sim/answers"),
        ("POST", "/v1/chat/completions"),
    ):
        response = await http.request(method, path, headers={"host": host}, content=b"{}")
        assert (response.status_code != 403) == allowed
    headers = [(b"host", host.encode())]
    if allowed:
        check_origin("GET", headers, GATEWAY)
    else:
        with pytest.raises(Forbidden):
            check_origin("GET", headers, GATEWAY)


async def test_told_to_listen_for_others_it_answers_to_any_name_but_shows_no_calls() -> None:
    sim = Simulator("0.0.0.0")
    async with sim, httpx.AsyncClient(base_url=f"http://127.0.0.1:{sim.port}", headers={"host": "sim:9000"}) as http:
        assert (await http.get("/v1/models")).status_code == 200
        assert (await http.get("/_sim/calls")).status_code == 403
